//! [`Shape`]: programs made at random.

use fastrand::Rng;

use super::program::{Name, Node};

/// Which nodes a random program has.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Whether errors of single steps are swallowed.
    pub swallows: bool,
    /// Whether errors of blocks of several steps are swallowed without a step around them.
    pub swallows_blocks: bool,
    /// Whether steps are dropped half way.
    pub timeouts: bool,
}

impl Shape {
    /// What the guide allows.
    pub const HONEST: Self = Self { swallows: true, swallows_blocks: false, timeouts: true };
}

/// Makes a program at random.
pub(super) fn random(rng: &mut Rng, shape: Shape) -> Node {
    Maker { rng, shape, names: 0, certain: Vec::new() }.sequence(3)
}

struct Maker<'r> {
    rng: &'r mut Rng,
    shape: Shape,
    names: Name,
    /// The steps that have given a value wherever the program has come to.
    certain: Vec<Name>,
}

impl Maker<'_> {
    fn name(&mut self) -> Name {
        self.names += 1;
        self.names
    }

    fn sequence(&mut self, depth: u32) -> Node {
        Node::Sequence((0..self.rng.usize(2..4)).map(|_| self.node(depth)).collect())
    }

    fn step(&mut self) -> Node {
        let name = self.name();
        self.certain.push(name);
        Node::Step(name)
    }

    fn node(&mut self, depth: u32) -> Node {
        if depth == 0 {
            return self.step();
        }
        match self.rng.u32(0..16) {
            4..7 => Node::Join(self.branches(depth)),
            7..9 => Node::TryJoin(self.branches(depth)),
            9..11 => self.outer(depth),
            11..13 => match self.certain.is_empty() {
                true => self.step(),
                false => self.branch(depth),
            },
            13..15 if self.shape.swallows => {
                let may_be_block = self.shape.swallows_blocks;
                Node::BestEffort(self.uncertain(|maker| match maker.rng.u32(0..4) {
                    0 if may_be_block => maker.sequence(depth - 1),
                    1 => maker.outer(depth),
                    _ => maker.step(),
                }))
            }
            15 if self.shape.timeouts => Node::Timeout(self.uncertain(|maker| {
                if maker.rng.bool() { maker.step() } else { maker.outer(depth) }
            })),
            _ => self.step(),
        }
    }

    fn branches(&mut self, depth: u32) -> Vec<Node> {
        let before = self.certain.clone();
        let mut certain = before.clone();
        let nodes = (0..self.rng.usize(2..4)).map(|_| {
            // What one branch learns the others do not know yet.
            self.certain.clone_from(&before);
            let node =
                if self.rng.bool() { self.node(depth - 1) } else { self.sequence(depth - 1) };
            certain.extend(self.certain.iter().skip(before.len()));
            node
        });
        let nodes = nodes.collect();
        self.certain = certain;
        nodes
    }

    fn outer(&mut self, depth: u32) -> Node {
        let name = self.name();
        // What happens inside is not known outside: a recorded outer step replays without it.
        let inside = self.uncertain(|maker| maker.sequence(depth - 1));
        self.certain.push(name);
        Node::Outer(name, inside)
    }

    fn branch(&mut self, depth: u32) -> Node {
        let on = self.certain[self.rng.usize(0..self.certain.len())];
        let yes = self.uncertain(|maker| maker.node(depth - 1));
        let no = self.uncertain(|maker| maker.node(depth - 1));
        Node::Branch(on, yes, no)
    }

    /// Makes a node whose steps may not have given a value after it.
    fn uncertain(&mut self, make: impl FnOnce(&mut Self) -> Node) -> Box<Node> {
        let certain = self.certain.clone();
        let node = make(self);
        self.certain = certain;
        Box::new(node)
    }
}
