//! Keys and certificates, by the command `openssl`.

use std::path::Path;
use std::process::Command;

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// Runs it in a folder.
pub(crate) fn run(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let output = output.expect("the command `openssl` is there: install the package openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority: `NAME.pem` and `NAME.key`.
pub(crate) fn authority(folder: &Path, name: &str) {
    run(folder, &format!("req -x509 {NEW_KEY} -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"));
}

/// A certificate of an authority, for these names: `NAME.pem` and `NAME.key`.
pub(crate) fn certificate(folder: &Path, authority: &str, name: &str, names: &str, usage: &str) {
    run(folder, &format!("req {NEW_KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
    let extensions = format!("subjectAltName={names}\nextendedKeyUsage={usage}\n");
    std::fs::write(folder.join("extensions"), extensions).expect("a file");
    let signed =
        format!("-CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 2 -extfile extensions");
    run(folder, &format!("x509 -req -in {name}.csr -out {name}.pem {signed}"));
}
