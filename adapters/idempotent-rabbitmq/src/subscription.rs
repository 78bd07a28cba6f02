//! [`Subscription`]: consuming a queue, with as many deliveries as there is room for.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::link::Link;

/// How long a consumer that was cancelled may take to begin or to end.
const CANCELLED_WITHIN: Duration = Duration::from_secs(2);

/// The consumers of a channel. There is one, and for a while a second one after there was more room than ever before.
///
/// The broker sends no more than `window` deliveries that are not settled. It is set when a consumer begins, and cannot
/// be changed afterwards. Messages that wait here to be published count as well, so they never make it wider than
/// `widest`.
pub(crate) struct Subscription {
    pub(crate) link: Arc<Link>,
    queue: ShortString,
    window: usize,
    widest: usize,
    /// In a task of its own: a wait that is dropped must not lose a consumer that has just begun, with its deliveries.
    beginning: Option<JoinHandle<lapin::Result<Consumer>>>,
    current: Option<Consumer>,
    /// Cancelled, and perhaps with deliveries that had been sent before.
    retired: Vec<Consumer>,
    /// It gives back what it has, so dropping it starts no task for that.
    is_ending: bool,
}

/// Why no more deliveries come.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The channel or its connection is closed.
    Broken(lapin::Error),
    /// The broker has cancelled the consumer: the queue was deleted, or its node went away.
    Cancelled,
}

/// What came of waiting, where that was no delivery.
enum Other {
    Begun(Box<Consumer>),
    /// The consumer was cancelled here.
    Paused,
    Ended(Ended),
}

impl Subscription {
    /// With this many deliveries at most that are not settled.
    pub(crate) fn new(link: Arc<Link>, queue: ShortString, widest: usize) -> Self {
        let (window, beginning, current, retired) = (0, None, None, Vec::new());
        Self { link, queue, window, widest, beginning, current, retired, is_ending: false }
    }

    /// The next delivery, where there is room for this many. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self, room: usize) -> Result<Delivery, Ended> {
        loop {
            let wanted = (self.link.in_hand() + room).min(self.widest);
            if self.beginning.is_none() && (self.current.is_none() || self.window < wanted) {
                self.window = wanted;
                let (link, queue) = (Arc::clone(&self.link), self.queue.clone());
                self.beginning = Some(tokio::spawn(begin(link, queue, wanted)));
            }
            match poll_fn(|cx| self.poll(cx)).await {
                Ok(delivery) => {
                    self.link.hand_out();
                    return Ok(delivery);
                }
                Err(Other::Begun(consumer)) => {
                    if let Some(former) = self.current.replace(*consumer) {
                        let (link, tag) = (Arc::clone(&self.link), former.tag());
                        tokio::spawn(async move { link.cancel(tag).await });
                        self.retired.push(former);
                    }
                }
                Err(Other::Paused) => {}
                Err(Other::Ended(ended)) => return Err(ended),
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery, Other>> {
        let mut ended = None;
        let mut delivered = None;
        self.retired.retain_mut(|consumer| {
            if delivered.is_some() || ended.is_some() {
                return true;
            }
            match Pin::new(consumer).poll_next(cx) {
                Poll::Ready(Some(Ok(delivery))) => delivered = Some(delivery),
                Poll::Ready(Some(Err(error))) => ended = Some(error),
                Poll::Ready(None) => return false,
                Poll::Pending => {}
            }
            true
        });
        if let Some(delivery) = delivered {
            return Poll::Ready(Ok(delivery));
        }
        if let Some(error) = ended {
            return Poll::Ready(Err(Other::Ended(Ended::Broken(error))));
        }
        if let Some(consumer) = &mut self.current {
            match Pin::new(&mut *consumer).poll_next(cx) {
                Poll::Ready(Some(Ok(delivery))) => return Poll::Ready(Ok(delivery)),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(Other::Ended(Ended::Broken(error))));
                }
                Poll::Ready(None) => {
                    let is_ours = !self.link.is_consuming(&consumer.tag());
                    self.current = None;
                    let cancelled = Other::Ended(Ended::Cancelled);
                    return Poll::Ready(Err(if is_ours { Other::Paused } else { cancelled }));
                }
                Poll::Pending => {}
            }
        }
        let Some(beginning) = &mut self.beginning else { return Poll::Pending };
        let Poll::Ready(begun) = Pin::new(beginning).poll(cx) else { return Poll::Pending };
        self.beginning = None;
        Poll::Ready(Err(match begun {
            Ok(Ok(consumer)) => Other::Begun(Box::new(consumer)),
            Ok(Err(error)) => Other::Ended(Ended::Broken(error)),
            // The task was aborted: its runtime ends.
            Err(_) => Other::Ended(Ended::Cancelled),
        }))
    }

    /// Ends, and gives back what was received and not handed out.
    pub(crate) async fn stop(mut self) {
        self.is_ending = true;
        self.give_back().await;
    }

    async fn give_back(&mut self) {
        self.link.ending.end();
        if self.link.is_recovering() {
            // It would come back with its consumers, which cannot be cancelled now: each message that is given back would be delivered
            // to them again. What was in hand was taken back.
            self.link.abandon();
            return;
        }
        let beginning = self.beginning.take();
        if let Some(Ok(Ok(consumer))) = match beginning {
            Some(beginning) => timeout(CANCELLED_WITHIN, beginning).await.ok(),
            None => None,
        } {
            self.retired.extend(self.current.replace(consumer));
        }
        self.retired.extend(self.current.take());
        for mut consumer in self.retired.drain(..) {
            self.link.cancel(consumer.tag()).await;
            loop {
                let next = poll_fn(|cx| Pin::new(&mut consumer).poll_next(cx));
                let Ok(Some(Ok(delivery))) = timeout(CANCELLED_WITHIN, next).await else { break };
                let options = BasicNackOptions { requeue: true, multiple: false };
                let _ = delivery.acker.nack(options).await;
            }
        }
    }

    fn is_over(&self) -> bool {
        let is_idle = self.beginning.is_none() && self.current.is_none();
        self.is_ending || (is_idle && self.retired.is_empty())
    }
}

impl Drop for Subscription {
    /// What a client drops that has received it would stay with its channel, and that is open while a delivery is in
    /// hand.
    fn drop(&mut self) {
        if self.is_over() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let rest = Self {
            link: Arc::clone(&self.link),
            queue: self.queue.clone(),
            window: self.window,
            widest: self.widest,
            beginning: self.beginning.take(),
            current: self.current.take(),
            retired: std::mem::take(&mut self.retired),
            is_ending: true,
        };
        runtime.spawn(rest.stop());
    }
}

async fn begin(link: Arc<Link>, queue: ShortString, window: usize) -> lapin::Result<Consumer> {
    let window = u16::try_from(window).unwrap_or(u16::MAX);
    let _changing = link.changing().await;
    link.channel.basic_qos(window, BasicQosOptions { global: false }).await?;
    let options = BasicConsumeOptions::default();
    let tag = "".into();
    let consumer = link.channel.basic_consume(queue, tag, options, FieldTable::default()).await?;
    link.consumes(consumer.tag());
    Ok(consumer)
}
