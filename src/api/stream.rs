//! Connections and listeners whose input can be ended at a moment, so that a stop loses nothing.
//!
//! Closing a socket throws away what lies in it unread: a request that its client
//! believes to be taken. A Unix socket can be told to take no more instead. What
//! was sent before that can still be read and is answered; what comes after fails
//! at its sender, who knows then that it was not taken.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use rustix::net::{Shutdown, SocketFlags};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Handle;

/// A connection of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sized + 'static {
    /// Takes no more bytes; those that were taken can be read. `false` if this kind cannot do that.
    fn end_input(&self) -> bool;

    /// The same connection, in another runtime's care.
    ///
    /// # Errors
    /// As the operating system has it.
    fn move_to(self, runtime: &Handle) -> io::Result<Self>;
}

impl Stream for UnixStream {
    fn end_input(&self) -> bool {
        rustix::net::shutdown(self, Shutdown::Read).is_ok()
    }

    fn move_to(self, runtime: &Handle) -> io::Result<UnixStream> {
        let stream = self.into_std()?;
        let _in = runtime.enter();
        UnixStream::from_std(stream)
    }
}

impl Stream for TcpStream {
    /// The other end of a TCP connection does not learn of it.
    fn end_input(&self) -> bool {
        false
    }

    fn move_to(self, runtime: &Handle) -> io::Result<TcpStream> {
        let stream = self.into_std()?;
        let _in = runtime.enter();
        TcpStream::from_std(stream)
    }
}

/// A listener of either kind.
pub trait Accept: Send {
    /// A connection.
    type Stream: Stream;

    /// The next one.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Takes no more connections, and gives those that wait; none where this kind cannot do that.
    fn last(&self) -> Vec<Self::Stream>;
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        UnixListener::accept(self).await.map(|(stream, _)| stream)
    }

    fn last(&self) -> Vec<UnixStream> {
        if rustix::net::shutdown(self, Shutdown::Read).is_err() {
            return Vec::new();
        }
        // Asked of the kernel itself: what the runtime knows of the listener's readiness may be old.
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        std::iter::from_fn(|| rustix::net::accept_with(self, flags).ok())
            .filter_map(|stream| UnixStream::from_std(stream.into()).ok())
            .collect()
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        TcpListener::accept(self).await.map(|(stream, _)| stream)
    }

    fn last(&self) -> Vec<TcpStream> {
        Vec::new()
    }
}

/// A connection that ends its input when it is read after it was told to.
pub(super) struct Ending<'a, S> {
    stream: S,
    told: &'a AtomicBool,
    cannot: bool,
}

impl<'a, S: Stream> Ending<'a, S> {
    pub(super) fn new(stream: S, told: &'a AtomicBool) -> Ending<'a, S> {
        Ending { stream, told, cannot: false }
    }
}

impl<S: Stream> AsyncRead for Ending<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.told.load(Ordering::Relaxed) {
            self.told.store(false, Ordering::Relaxed);
            self.cannot = !self.stream.end_input();
        }
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            // What could not be told to take no more is over when there is nothing to read.
            Poll::Pending if self.cannot => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

impl<S: Stream> AsyncWrite for Ending<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
