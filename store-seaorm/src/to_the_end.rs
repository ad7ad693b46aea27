//! Operations that do not end half-way.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long what nobody waits for goes on. It is stopped when the server has fallen silent, and its
/// connection closed.
pub(crate) const LONGEST_ALONE: Duration = Duration::from_secs(60);

/// A future that goes on by itself when it is dropped.
///
/// A future of the drivers that is dropped half-way may leave its connection with a transaction
/// that nobody knows of, or out of step with the server; and the browser that hangs up during a
/// logout has logged out. So what has begun runs to its end: here, while somebody waits for it, and
/// in a task of its own from when nobody does.
pub(crate) struct ToTheEnd<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    has_begun: bool,
}

impl<F: Future<Output: Send> + Send + 'static> ToTheEnd<F> {
    pub(crate) fn new(work: F) -> Self {
        Self {
            work: Some(Box::pin(work)),
            has_begun: false,
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for ToTheEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.has_begun = true;
        // Taken out meanwhile: what panicked must not go on.
        let Some(mut work) = self.work.take() else {
            return Poll::Pending;
        };
        let answer = work.as_mut().poll(context);
        if answer.is_pending() {
            self.work = Some(work);
        }
        answer
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for ToTheEnd<F> {
    fn drop(&mut self) {
        // Without a runtime the connections are gone, and what was not finished with them.
        if self.has_begun
            && let Some(work) = self.work.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { tokio::time::timeout(LONGEST_ALONE, work).await });
        }
    }
}
