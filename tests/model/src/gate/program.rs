//! [`Node`]: bodies with steps, and with a step renamed or removed.

use std::fmt;

/// The name of a step. No two steps of a program share one, so it stands for name and key.
pub type Name = u16;

/// What a renamed step is called: its old name with this bit.
pub(super) const RENAMED: Name = 1 << 15;

/// A piece of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    /// A step with an effect.
    Step(Name),
    /// A step with steps inside.
    Outer(Name, Box<Node>),
    /// One after the other, until one fails: `a().await?; b().await?`.
    Sequence(Vec<Node>),
    /// All at once, each to its end: `join!`.
    Join(Vec<Node>),
    /// All at once, until one fails: `try_join!`.
    TryJoin(Vec<Node>),
    /// The second or the third, by what a step before it gave.
    Branch(Name, Box<Node>, Box<Node>),
    /// Its error is swallowed: `let _ = …`.
    BestEffort(Box<Node>),
    /// It may be dropped half way, and then its error is swallowed: `let _ = timeout(…)`.
    Timeout(Box<Node>),
}

impl Node {
    /// The program with one step renamed.
    #[must_use]
    pub fn renamed(&self, name: Name) -> Self {
        self.map(&|node| match node {
            Self::Step(old) if *old == name => Some(Self::Step(name | RENAMED)),
            Self::Outer(old, body) if *old == name => {
                Some(Self::Outer(name | RENAMED, body.clone()))
            }
            _ => None,
        })
    }

    /// The program without one step.
    #[must_use]
    pub fn removed(&self, name: Name) -> Self {
        self.map(&|node| match node {
            Self::Step(old) | Self::Outer(old, _) if *old == name => {
                Some(Self::Sequence(Vec::new()))
            }
            _ => None,
        })
    }

    fn map(&self, change: &impl Fn(&Self) -> Option<Self>) -> Self {
        if let Some(changed) = change(self) {
            return changed;
        }
        let all = |nodes: &[Self]| nodes.iter().map(|node| node.map(change)).collect();
        let one = |node: &Self| Box::new(node.map(change));
        match self {
            Self::Step(name) => Self::Step(*name),
            Self::Outer(name, body) => Self::Outer(*name, one(body)),
            Self::Sequence(nodes) => Self::Sequence(all(nodes)),
            Self::Join(nodes) => Self::Join(all(nodes)),
            Self::TryJoin(nodes) => Self::TryJoin(all(nodes)),
            Self::Branch(on, yes, no) => Self::Branch(*on, one(yes), one(no)),
            Self::BestEffort(body) => Self::BestEffort(one(body)),
            Self::Timeout(body) => Self::Timeout(one(body)),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: &[Self], between: &str| {
            nodes.iter().map(Self::to_string).collect::<Vec<_>>().join(between)
        };
        match self {
            Self::Step(name) if name & RENAMED != 0 => write!(f, "new{}", name & !RENAMED),
            Self::Step(name) => write!(f, "s{name}"),
            Self::Outer(name, body) => write!(f, "{}{{{body}}}", Self::Step(*name)),
            Self::Sequence(nodes) => f.write_str(&list(nodes, "; ")),
            Self::Join(nodes) => write!(f, "join({})", list(nodes, ", ")),
            Self::TryJoin(nodes) => write!(f, "try_join({})", list(nodes, ", ")),
            Self::Branch(on, yes, no) => write!(f, "if s{on} {{{yes}}} else {{{no}}}"),
            Self::BestEffort(body) => write!(f, "let _ = {{{body}}}"),
            Self::Timeout(body) => write!(f, "timeout({body})"),
        }
    }
}
