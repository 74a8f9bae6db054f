//! What we log while nodes are asked.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

pub(crate) static OUR_LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(Arc::default);

/// Everything that any test of this file makes us log, however unimportant.
pub(crate) fn listen_to_our_log() {
    struct Shared;
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            OUR_LOG.lock().expect("nobody panicked").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(|| Shared)
        .finish();
    // Another test of this file was first.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
