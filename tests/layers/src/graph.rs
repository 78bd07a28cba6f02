//! Circles among arrows.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// The arrows of a crate, without what they are called.
pub(crate) struct Graph {
    successors: BTreeMap<usize, BTreeSet<usize>>,
}

/// Nodes that all reach each other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Circle {
    pub(crate) nodes: BTreeSet<usize>,
    /// A shortest way round, which ends where it begins.
    pub(crate) way: Vec<usize>,
}

/// The state of Tarjan's search for strongly connected components.
#[derive(Default)]
struct Search {
    /// When each node was first reached, and the earliest node that it reaches in turn.
    reached: HashMap<usize, (usize, usize)>,
    open: Vec<usize>,
    components: Vec<BTreeSet<usize>>,
}

impl Graph {
    pub(crate) fn new(arrows: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut successors: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (from, to) in arrows {
            successors.entry(from).or_default().insert(to);
        }
        Self { successors }
    }

    /// Every circle, smaller ones first. No node is in two of them.
    pub(crate) fn circles(&self) -> Vec<Circle> {
        let mut search = Search::default();
        for &node in self.successors.keys() {
            if !search.reached.contains_key(&node) {
                self.search(node, &mut search);
            }
        }
        let mut circles: Vec<Circle> = search
            .components
            .into_iter()
            .filter(|nodes| nodes.len() > 1)
            .map(|nodes| Circle { way: self.shortest_way(&nodes), nodes })
            .collect();
        circles.sort_by(|a, b| (a.nodes.len(), &a.nodes).cmp(&(b.nodes.len(), &b.nodes)));
        circles
    }

    fn successors(&self, node: usize) -> impl Iterator<Item = usize> {
        self.successors.get(&node).into_iter().flatten().copied()
    }

    fn search(&self, node: usize, search: &mut Search) {
        let index = search.reached.len();
        let mut earliest = index;
        search.reached.insert(node, (index, index));
        search.open.push(node);
        for next in self.successors(node) {
            if !search.reached.contains_key(&next) {
                self.search(next, search);
                earliest = earliest.min(search.reached[&next].1);
            } else if search.open.contains(&next) {
                earliest = earliest.min(search.reached[&next].0);
            }
        }
        search.reached.insert(node, (index, earliest));
        if earliest == index {
            let start = search.open.iter().position(|&one| one == node).unwrap_or_default();
            search.components.push(search.open.split_off(start).into_iter().collect());
        }
    }

    /// The shortest way round within a component.
    fn shortest_way(&self, nodes: &BTreeSet<usize>) -> Vec<usize> {
        let ways = nodes.iter().filter_map(|&node| self.way_back(node, nodes));
        ways.min_by_key(Vec::len).unwrap_or_default()
    }

    /// A shortest way from a node back to it.
    fn way_back(&self, start: usize, nodes: &BTreeSet<usize>) -> Option<Vec<usize>> {
        let mut came_from = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for next in self.successors(node).filter(|next| nodes.contains(next)) {
                if next == start {
                    let mut way = vec![start, node];
                    while let Some(&before) = came_from.get(way.last()?) {
                        way.push(before);
                    }
                    way.reverse();
                    return Some(way);
                }
                came_from.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    node
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_no_circle() {
        assert_eq!(Graph::new([(0, 1), (1, 2), (0, 2)]).circles(), []);
    }

    #[test]
    fn circles_that_share_a_node_are_one() {
        let circles = Graph::new([(0, 1), (1, 0), (1, 2), (2, 3), (3, 1)]).circles();

        assert_eq!(circles, [Circle { nodes: [0, 1, 2, 3].into(), way: vec![0, 1, 0] }]);
    }

    #[test]
    fn smaller_circles_come_first() {
        let circles = Graph::new([(0, 1), (1, 2), (2, 0), (2, 4), (4, 5), (5, 4)]).circles();

        let sizes: Vec<_> = circles.iter().map(|circle| circle.nodes.len()).collect();
        assert_eq!(sizes, [2, 3]);
    }

    #[test]
    fn the_way_round_ends_where_it_begins() {
        let circles = Graph::new([(7, 8), (8, 9), (9, 7)]).circles();

        assert_eq!(circles[0].way, [7, 8, 9, 7]);
    }
}
