//! What `dev` says once the first token can be signed.

use std::path::Path;

use crate::cli::sockets::DEV_FOLDER;

/// What to try next, ready to be copied into another terminal.
pub(super) fn text(program: &str, folder: &Path, key: &str, rotates: bool) -> String {
    let beside = folder == Path::new(DEV_FOLDER) || folder == Path::new("./").join(DEV_FOLDER);
    let (signing, admin) = if beside {
        (String::new(), String::new())
    } else {
        let option = |name: &str, file: &str| format!(" {name} {}", quoted(&folder.join(file)));
        (option("--socket", "sign.sock"), option("--admin-socket", "admin.sock"))
    };
    let place = if beside { "in another terminal, in this folder" } else { "in another terminal" };
    let key_file = folder.join("keys.yaml");
    let mut lines = vec![
        format!("Ready: tokens are signed with key {key}. Everything lies in {}.", folder.display()),
        String::new(),
        format!("Try, {place}:"),
        format!("  {program} token --room demo --identity alice{signing}"),
        format!("  {program} token --room demo --identity alice{signing} | {program} inspect -{signing}"),
        format!("  {program} keys --watch{admin}"),
    ];
    if !rotates {
        lines.push(format!("  {program} rotate default{admin}"));
    }
    lines.extend([
        format!(
            "  curl --unix-socket {} http://localhost/v1/tokens -d '{{\"room\":\"demo\",\"identity\":\"alice\",\"grants\":{{\"video\":{{\"roomJoin\":true}}}}}}'",
            quoted(&folder.join("sign.sock"))
        ),
        String::new(),
        format!("LiveKit reads the keys with `key_file: {}` when it starts.", key_file.display()),
        "Ctrl-C ends this; the next start goes on with the same keys.".to_owned(),
        String::new(),
    ]);
    lines.join("\n")
}

/// The program as it was called, if a shell finds it so again.
pub(super) fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = Path::new(&called);
    if called.components().count() > 1 { quoted(called) } else { "livekit-keyd".to_owned() }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_the_folder_no_option_is_needed() {
        let told = text("livekit-keyd", Path::new("livekit-keyd-dev"), "APIx", false);
        assert!(told.contains("  livekit-keyd token --room demo --identity alice\n"), "{told}");
        assert!(told.contains("  livekit-keyd rotate default\n"), "{told}");
        assert!(told.contains("--unix-socket livekit-keyd-dev/sign.sock"), "{told}");
    }

    #[test]
    fn elsewhere_each_command_names_its_socket() {
        let told = text("./target/debug/livekit-keyd", Path::new("/tmp/my keys"), "APIx", true);
        assert!(told.contains("inspect - --socket '/tmp/my keys/sign.sock'\n"), "{told}");
        assert!(told.contains("keys --watch --admin-socket '/tmp/my keys/admin.sock'\n"), "{told}");
        assert!(!told.contains("rotate default"), "it rotates by itself");
    }
}
