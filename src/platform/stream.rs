//! Answers that are written while they are sent, so that none is held in memory as a whole.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::store::StoreError;

/// Pieces that wait to be sent: who writes waits for who reads.
const MOST_WAITING: usize = 2;

/// Where the pieces of an answer go in.
pub type Pieces = mpsc::Sender<Result<String, StoreError>>;

/// Makes a body, and where its pieces go in. It ends when nobody writes any longer. A piece that could
/// not be read cuts the connection, so that nobody takes a part for the whole.
pub fn body() -> (Pieces, Body) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    (sender, Body::new(Written(receiver)))
}

struct Written(mpsc::Receiver<Result<String, StoreError>>);

impl HttpBody for Written {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(|text| Frame::data(Bytes::from(text)))))
    }
}
