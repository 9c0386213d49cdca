//! Serves the connections of a port.

use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Time until the next try if no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(10);

/// Serves connections, at most `most` at a time. Further ones wait.
///
/// When `stop` is cancelled, the function aborts all connections and waits for their end.
pub async fn accept<S>(listener: &TcpListener, most: usize, stop: &CancellationToken, serve: impl Fn(TcpStream) -> S)
where
    S: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            if connections.len() >= most {
                connections.join_next().await;
            }
            listener.accept().await
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = next => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(serve(stream))),
            // The process is probably out of file descriptors. Connections that end free some.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    connections.shutdown().await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    struct Open(Arc<AtomicUsize>);

    impl Drop for Open {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }

    #[tokio::test]
    async fn connections_are_bounded_and_a_stop_ends_them() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let echo = |mut stream: TcpStream| {
            open.fetch_add(1, SeqCst);
            let open = Open(Arc::clone(&open));
            async move {
                let _open = open;
                while let Ok(byte) = stream.read_u8().await {
                    stream.write_u8(byte).await.ok();
                }
            }
        };
        let client = async {
            let (mut first, mut second) = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
            for stream in [&mut first, &mut second] {
                stream.write_u8(7).await.unwrap();
                assert_eq!(stream.read_u8().await.unwrap(), 7);
            }
            let mut third = TcpStream::connect(address).await.unwrap();
            third.write_u8(8).await.unwrap();
            assert_eq!(open.load(SeqCst), 2, "the third connection waits");
            drop(first);
            assert_eq!(third.read_u8().await.unwrap(), 8, "its turn comes when another one has ended");
            stop.cancel();
            second
        };
        let (mut left, ()) = tokio::join!(client, accept(&listener, 2, &stop, echo));
        assert_eq!(open.load(SeqCst), 0);
        assert!(left.read_u8().await.is_err(), "it was closed");
    }
}
