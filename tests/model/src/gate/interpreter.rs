//! Runs a body: each node is a future, as in the program that it stands for.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::journal::{Path, Write};
use super::program::{Name, Node, RENAMED};
use super::run::{Event, Shared};

/// The error of a step, or what its run got instead of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed;

/// The future of a node.
pub(super) type Body<'p> = Pin<Box<dyn Future<Output = Result<(), Failed>> + 'p>>;

/// The variables of a body: what its steps gave, by the names that they had first.
type Values = Rc<std::cell::RefCell<BTreeMap<Name, bool>>>;

/// Runs a whole body.
pub(super) fn body<'p>(run: &Shared, program: &'p Node) -> Body<'p> {
    node(Rc::clone(run), Values::default(), Vec::new(), program)
}

fn node<'p>(run: Shared, values: Values, scope: Path, node_: &'p Node) -> Body<'p> {
    Box::pin(async move {
        let inner =
            |node_: &'p Node| node(Rc::clone(&run), Rc::clone(&values), scope.clone(), node_);
        match node_ {
            Node::Step(name) => step(&run, &values, &scope, *name, None).await,
            Node::Outer(name, body) => step(&run, &values, &scope, *name, Some(body)).await,
            Node::Sequence(nodes) => {
                for node_ in nodes {
                    inner(node_).await?;
                }
                Ok(())
            }
            Node::Join(nodes) => Join::new(&run, nodes.iter().map(inner).collect(), false).await,
            Node::TryJoin(nodes) => Join::new(&run, nodes.iter().map(inner).collect(), true).await,
            Node::Branch(on, yes, no) => {
                let value = values.borrow().get(on).copied().unwrap_or_default();
                inner(if value { yes } else { no }).await
            }
            Node::BestEffort(body) => {
                let _ = inner(body).await;
                Ok(())
            }
            Node::Timeout(body) => {
                let polls = {
                    let mut run = run.borrow_mut();
                    let percent = run.timeouts;
                    run.chance(percent).then(|| run.rng.u32(1..8))
                };
                Timeout { body: Some(inner(body)), polls }.await;
                Ok(())
            }
        }
    })
}

/// A step, or what the engine answers instead of it.
async fn step(
    run: &Shared,
    values: &Values,
    scope: &Path,
    name: Name,
    inside: Option<&Node>,
) -> Result<(), Failed> {
    let mut path = scope.clone();
    path.push(name);
    let variable = name & !RENAMED;
    let known = {
        let mut run = run.borrow_mut();
        if run.poisoned {
            return Err(Failed);
        }
        run.progress += 1;
        run.quiet = 0;
        run.arrived.insert(path.clone());
        run.loaded.as_ref().map(|loaded| (loaded.value(&path), loaded.knows(&path)))
    };
    if let Some((Some(value), _)) = known {
        values.borrow_mut().insert(variable, value);
        return Ok(());
    }
    let mut asked = Asked { run: Rc::clone(run), stage: Stage::Waiting };
    if matches!(known, Some((None, false))) && run.borrow().rules.gate {
        Gate { run: Rc::clone(run), scope: scope.clone(), waits: false }.await;
    }
    let yields = run.borrow().rules.yields;
    if known.is_some() && yields {
        Turn { run: Rc::clone(run), given: false }.await;
    }
    if run.borrow().poisoned {
        return Err(Failed);
    }
    asked.stage = Stage::Started;
    let well = perform(run, &path, inside).await;
    let value = run.borrow_mut().rng.bool();
    if !well {
        let marks = run.borrow().rules.tried_marks;
        run.borrow_mut().tried.extend(marks.then_some(path));
        asked.end();
        return Err(Failed);
    }
    let write = {
        let mut run = run.borrow_mut();
        if run.poisoned {
            // Nothing that contains a poisoned step is recorded.
            None
        } else if run.rules.end_of_scope && !run.has_all(&path) {
            run.refused = true;
            None
        } else {
            let tried = run.tried.clone();
            if !run.rules.tried_until_acknowledged {
                run.tried.clear();
            }
            Some(Write { path, value, tried })
        }
    };
    if write.is_none() {
        asked.end();
        return Err(Failed);
    }
    let named = write.as_ref().map(|write| write.tried.clone()).unwrap_or_default();
    Event::new(run, write).await;
    run.borrow_mut().tried.retain(|path| !named.contains(path));
    values.borrow_mut().insert(variable, value);
    asked.end();
    Ok(())
}

/// The body of a step. A failing one may fail at once, without giving others a turn.
async fn perform(run: &Shared, path: &Path, inside: Option<&Node>) -> bool {
    if let Some(inside) = inside {
        let values = Values::default();
        return node(Rc::clone(run), values, path.clone(), inside).await.is_ok();
    }
    let (fails, at_once) = {
        let mut run = run.borrow_mut();
        let percent = run.failures;
        (run.chance(percent), run.rng.bool())
    };
    if !(fails && at_once) {
        Event::new(run, None).await;
    }
    if !fails {
        run.borrow_mut().effects.push(path.clone());
    }
    !fails
}

/// How far a step has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Started,
    Over,
}

/// A step that was asked for, which may be dropped before its answer.
struct Asked {
    run: Shared,
    stage: Stage,
}

impl Asked {
    fn end(mut self) {
        self.stage = Stage::Over;
        self.run.borrow_mut().progress += 1;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut run = self.run.borrow_mut();
        if run.crashed {
            return;
        }
        match self.stage {
            Stage::Waiting => run.poisoned |= run.rules.waiting_poison,
            Stage::Started => run.poisoned |= run.rules.drop_poison,
            Stage::Over => {}
        }
    }
}

/// Waits until all that the journal expects in a scope has arrived.
struct Gate {
    run: Shared,
    scope: Path,
    waits: bool,
}

impl Future for Gate {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let run = Rc::clone(&self.run);
        let mut run = run.borrow_mut();
        if run.poisoned || run.has_all(&self.scope) {
            return Poll::Ready(());
        }
        run.waiting += u32::from(!std::mem::replace(&mut self.waits, true));
        Poll::Pending
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.run.borrow_mut().waiting -= u32::from(self.waits);
    }
}

/// Gives the others one turn.
struct Turn {
    run: Shared,
    given: bool,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.given, true) {
            return Poll::Ready(());
        }
        self.run.borrow_mut().progress += 1;
        Poll::Pending
    }
}

/// Futures at once, polled in any order.
struct Join<'p> {
    run: Shared,
    bodies: Vec<Body<'p>>,
    until_one_fails: bool,
    failed: bool,
}

impl<'p> Join<'p> {
    fn new(run: &Shared, bodies: Vec<Body<'p>>, until_one_fails: bool) -> Self {
        Self { run: Rc::clone(run), bodies, until_one_fails, failed: false }
    }
}

impl Future for Join<'_> {
    type Output = Result<(), Failed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.run.borrow_mut().rng.shuffle(&mut this.bodies);
        let mut at = 0;
        while at < this.bodies.len() {
            let Poll::Ready(result) = this.bodies[at].as_mut().poll(context) else {
                at += 1;
                continue;
            };
            drop(this.bodies.swap_remove(at));
            this.failed |= result.is_err();
            if this.failed && this.until_one_fails {
                this.bodies.clear();
            }
        }
        match (this.bodies.is_empty(), this.failed) {
            (false, _) => Poll::Pending,
            (true, true) => Poll::Ready(Err(Failed)),
            (true, false) => Poll::Ready(Ok(())),
        }
    }
}

/// Drops a body after some polls.
struct Timeout<'p> {
    body: Option<Body<'p>>,
    polls: Option<u32>,
}

impl Future for Timeout<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(body) = &mut self.body else { return Poll::Ready(()) };
        if body.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        if let Some(polls) = &mut self.polls {
            *polls -= 1;
            if *polls == 0 {
                self.body = None;
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}
