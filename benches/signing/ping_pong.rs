//! The limit: as many bytes there and back on the same kind of socket, with nothing done in between.

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Serves on a Unix socket until it is killed. A request's first eight bytes say its own size and its answer's.
pub(crate) fn serve(socket: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let listener = tokio::net::UnixListener::bind(socket).expect("a socket");
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut buffer = vec![0u8; 1 << 16];
                let number =
                    |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes")) as usize;
                while stream.read_exact(&mut buffer[..8]).await.is_ok() {
                    let (request, answer) = (number(&buffer[..4]), number(&buffer[4..8]));
                    if stream.read_exact(&mut buffer[8..request]).await.is_err() {
                        return;
                    }
                    if stream.write_all(&buffer[..answer]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
}
