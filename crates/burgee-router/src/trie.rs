//! Filters with wildcards, as a trie: one node for each level that several filters share, and for each filter a leaf
//! with the levels that it has for itself.
//!
//! The nodes lie in one slab, the leaves in one set of records; one hash table holds the edges of all nodes to both,
//! keyed by parent and level. A `+` is a field of its parent, a `#` a field of the node that it stands under.
//!
//! Must hold: every node but the root has a subscriber below it or at it, so that churn leaves nothing behind but
//! nodes that once parted two filters and still lead to one. Nothing here recurses: a topic may have 65,536 levels.
//!
//! Deliberately absent: the rule about `$` topics. Whoever asks keeps filters with a leading wildcard apart, and does
//! not ask them.

mod frontier;
mod path;

use ahash::RandomState;
use burgee_codec::{TopicFilter, TopicName};

use crate::interest::Interest;
use crate::label::Label;
use crate::leaves::Leaves;
use crate::records::{Moved, NUMBERS};
use crate::route::Route;
use crate::slab::{NONE, Slab};
use crate::table::Table;

use frontier::Frontier;
use path::{Path, Step};

#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Slab<Node>,
    leaves: Leaves,
    /// Nodes and leaves whose edge is a literal level, by parent and level.
    edges: Table,
    hasher: RandomState,
}

#[derive(Debug)]
struct Node {
    label: Label,
    parent: u32,
    /// The child for `+`, a node or a leaf.
    plus: u32,
    /// How many children have a literal label.
    literals: u32,
    /// The leaf of the filter that ends here.
    here: u32,
    /// The leaf of the filter that goes on with `#` from here; it matches this level too.
    below: u32,
}

/// The root stands for the empty beginning of every filter. It is never removed.
const ROOT: u32 = 0;
/// A number with this is a leaf's, without it a node's.
const LEAF: u32 = NUMBERS;

/// How far a filter leads: the last node on its way, what is left of it there, and the leaf that is in its place.
#[derive(Copy, Clone)]
struct Found<'a> {
    at: u32,
    rest: Path<'a>,
    leaf: Option<u32>,
}

impl Trie {
    pub(crate) fn new(hasher: RandomState) -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        Self {
            nodes,
            leaves: Leaves::new(),
            edges: Table::default(),
            hasher,
        }
    }

    /// Changes who is interested in a filter, which is added if need be.
    pub(crate) fn upsert<R>(&mut self, filter: TopicFilter<'_>, change: impl FnOnce(&mut Interest) -> R) -> R {
        let found = self.walk(filter);
        if let Some(id) = self.filter_at(found) {
            return self.change(id, change);
        }
        let mut interest = Interest::Nobody;
        let result = change(&mut interest);
        if !interest.is_nobody() {
            self.add(found, interest);
        }
        result
    }

    /// Changes who is interested in a filter that is stored; it goes if nobody is left.
    pub(crate) fn alter<R>(&mut self, filter: TopicFilter<'_>, change: impl FnOnce(&mut Interest) -> R) -> Option<R> {
        let id = self.filter_at(self.walk(filter))?;
        Some(self.change(id, change))
    }

    pub(crate) fn add_to(&self, topic: TopicName<'_>, route: &mut Route) {
        self.matching(topic, |id| self.leaves.add_to(id, route));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.leaves.len() == 0
    }

    /// How many nodes there are besides the root.
    #[cfg(test)]
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len() - 1
    }

    /// How many filters there are.
    #[cfg(test)]
    pub(crate) fn filters(&self) -> usize {
        self.leaves.len()
    }

    /// Shows the leaves of all filters that match. Returns how many nodes and leaves it has looked at.
    fn matching(&self, topic: TopicName<'_>, mut visit: impl FnMut(u32)) -> usize {
        if self.is_empty() {
            return 0;
        }
        let mut steps = 0;
        let (mut active, mut next) = (Frontier::default(), Frontier::default());
        active.push(ROOT);
        let mut rest = Path::of(topic.as_str());
        while !active.is_empty() {
            let level = rest.literal();
            let hash = level.map_or(0, |level| self.hasher.hash_one(level));
            for at in active.iter() {
                let Some(node) = self.nodes.get(at) else { continue };
                steps += 1;
                if node.below != NONE {
                    visit(node.below ^ LEAF);
                }
                let Some(level) = level else {
                    if node.here != NONE {
                        visit(node.here ^ LEAF);
                    }
                    continue;
                };
                let literal = if node.literals > 0 {
                    self.literal(at, level, hash)
                } else {
                    NONE
                };
                for child in [literal, node.plus] {
                    if child < LEAF {
                        next.push(child);
                    } else if child != NONE {
                        steps += 1;
                        if self.leaf_path(child).matches(rest) {
                            visit(child ^ LEAF);
                        }
                    }
                }
            }
            active.clear();
            std::mem::swap(&mut active, &mut next);
            rest = rest.behind();
        }
        steps
    }

    fn walk<'a>(&self, filter: TopicFilter<'a>) -> Found<'a> {
        let (mut at, mut rest) = (ROOT, Path::of(filter.as_str()));
        loop {
            let child = self.child(at, rest.step());
            if child >= LEAF {
                let leaf = (child != NONE).then_some(child ^ LEAF);
                return Found { at, rest, leaf };
            }
            at = child;
            rest = rest.behind();
        }
    }

    /// The leaf, if it is the filter's own.
    fn filter_at(&self, found: Found<'_>) -> Option<u32> {
        found.leaf.filter(|&id| self.leaf_path(id | LEAF) == found.rest)
    }

    fn change<R>(&mut self, id: u32, change: impl FnOnce(&mut Interest) -> R) -> R {
        let (result, somebody) = self.leaves.change(id, change);
        if !somebody {
            self.remove(id);
        }
        result
    }

    /// Adds a filter behind the node where its way ended. A leaf in its place goes down to where the two part.
    fn add(&mut self, found: Found<'_>, interest: Interest) {
        let Found { mut at, mut rest, leaf } = found;
        let Some(id) = leaf else {
            self.hang(at, rest, interest);
            return;
        };
        let bytes = self.leaf_path(id | LEAF).bytes().to_vec();
        let mut other = Path::from_bytes(&bytes);
        let others = self.unhang(id);
        while rest.step() == other.step() && rest.step().goes_on() {
            at = self.add_node(at, rest.step());
            (rest, other) = (rest.behind(), other.behind());
        }
        self.hang(at, other, others);
        self.hang(at, rest, interest);
    }

    /// Takes a filter out, and the nodes that nobody needs then.
    fn remove(&mut self, id: u32) {
        let mut at = self.parent_of(id);
        self.unhang(id);
        while at != ROOT && self.nodes.get(at).is_some_and(Node::is_bare) {
            at = self.remove_node(at);
        }
        if self.is_empty() {
            // The memory goes too.
            *self = Self::new(self.hasher.clone());
        }
    }

    /// Makes a leaf below a node.
    fn hang(&mut self, at: u32, rest: Path<'_>, interest: Interest) {
        if let Some(id) = self.leaves.insert((&at.to_le_bytes(), rest.bytes()), interest) {
            self.set_child(at, rest.step(), id | LEAF);
        }
    }

    /// Takes a leaf from its node.
    fn unhang(&mut self, id: u32) -> Interest {
        let (at, bytes) = (self.parent_of(id), self.leaf_path(id | LEAF).bytes().to_vec());
        self.clear_child(at, Path::from_bytes(&bytes).step(), id | LEAF);
        let (interest, moved) = self.leaves.remove(id);
        if let Some(moved) = moved {
            self.follow(moved);
        }
        interest
    }

    /// A leaf has another number: whoever names it is told.
    fn follow(&mut self, moved: Moved) {
        let (old, new) = (moved.from | LEAF, moved.to | LEAF);
        let Self {
            nodes,
            leaves,
            edges,
            hasher,
        } = self;
        let (at, path) = leaf_of(leaves, moved.to);
        match path.step() {
            Step::Literal(level) => edges.replace(mix(at, hasher.hash_one(level)), old, new),
            step @ (Step::Plus | Step::Here | Step::Below) => {
                if let Some(field) = nodes.get_mut(at).and_then(|node| node.field(step)) {
                    *field = new;
                }
            }
        }
    }

    fn child(&self, at: u32, step: Step<'_>) -> u32 {
        let Some(node) = self.nodes.get(at) else { return NONE };
        match step {
            Step::Literal(_) if node.literals == 0 => NONE,
            Step::Literal(level) => self.literal(at, level, self.hasher.hash_one(level)),
            Step::Plus => node.plus,
            Step::Here => node.here,
            Step::Below => node.below,
        }
    }

    fn literal(&self, at: u32, level: &[u8], level_hash: u64) -> u32 {
        let is_it = |child| {
            if child < LEAF {
                return self.nodes.get(child).is_some_and(|child| child.is(at, level));
            }
            let (parent, path) = leaf_of(&self.leaves, child ^ LEAF);
            parent == at && path.begins_with(level)
        };
        self.edges.find(mix(at, level_hash), is_it).unwrap_or(NONE)
    }

    fn set_child(&mut self, at: u32, step: Step<'_>, child: u32) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let Step::Literal(level) = step else {
            if let Some(field) = node.field(step) {
                *field = child;
            }
            return;
        };
        node.literals += 1;
        let hash = mix(at, self.hasher.hash_one(level));
        let (nodes, leaves, hasher) = (&self.nodes, &self.leaves, &self.hasher);
        self.edges
            .insert(hash, child, |child| edge_hash((nodes, leaves), hasher, child));
    }

    fn clear_child(&mut self, at: u32, step: Step<'_>, child: u32) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let Step::Literal(level) = step else {
            if let Some(field) = node.field(step) {
                *field = NONE;
            }
            return;
        };
        node.literals -= 1;
        let hash = mix(at, self.hasher.hash_one(level));
        let (nodes, leaves, hasher) = (&self.nodes, &self.leaves, &self.hasher);
        self.edges
            .remove(hash, child, |child| edge_hash((nodes, leaves), hasher, child));
    }

    fn add_node(&mut self, at: u32, step: Step<'_>) -> u32 {
        let label = match step {
            Step::Literal(level) => Label::new(level),
            Step::Plus | Step::Here | Step::Below => Label::default(),
        };
        let id = self.nodes.insert(Node {
            label,
            parent: at,
            ..Node::default()
        });
        self.set_child(at, step, id);
        id
    }

    /// Returns the parent of what has been removed.
    fn remove_node(&mut self, at: u32) -> u32 {
        let Some(node) = self.nodes.get(at) else { return ROOT };
        let up = node.parent;
        let is_plus = self.nodes.get(up).is_some_and(|parent| parent.plus == at);
        if is_plus {
            self.clear_child(up, Step::Plus, at);
        } else {
            let label = node.label.as_bytes().to_vec();
            self.clear_child(up, Step::Literal(&label), at);
        }
        self.nodes.remove(at);
        up
    }

    fn parent_of(&self, id: u32) -> u32 {
        leaf_of(&self.leaves, id).0
    }

    /// What a leaf, named as a child, has for itself.
    fn leaf_path(&self, child: u32) -> Path<'_> {
        leaf_of(&self.leaves, child ^ LEAF).1
    }
}

impl Node {
    fn is(&self, parent: u32, level: &[u8]) -> bool {
        self.parent == parent && self.label.as_bytes() == level
    }

    /// Where the child of a step that is no literal stands.
    fn field(&mut self, step: Step<'_>) -> Option<&mut u32> {
        match step {
            Step::Literal(_) => None,
            Step::Plus => Some(&mut self.plus),
            Step::Here => Some(&mut self.here),
            Step::Below => Some(&mut self.below),
        }
    }

    fn is_bare(&self) -> bool {
        self.literals == 0 && [self.plus, self.here, self.below] == [NONE; 3]
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            label: Label::default(),
            parent: NONE,
            plus: NONE,
            literals: 0,
            here: NONE,
            below: NONE,
        }
    }
}

/// A leaf's bytes are the number of its parent and what its filter has beyond that.
fn leaf_of(leaves: &Leaves, id: u32) -> (u32, Path<'_>) {
    match leaves.bytes(id).split_first_chunk() {
        Some((parent, path)) => (u32::from_le_bytes(*parent), Path::from_bytes(path)),
        None => (NONE, Path::from_bytes(&[])),
    }
}

/// Depends on the child's own text and parent only, so that the table can grow without a copy of the hash.
fn edge_hash((nodes, leaves): (&Slab<Node>, &Leaves), hasher: &RandomState, child: u32) -> u64 {
    if child < LEAF {
        return nodes
            .get(child)
            .map_or(0, |node| mix(node.parent, hasher.hash_one(node.label.as_bytes())));
    }
    let (parent, path) = leaf_of(leaves, child ^ LEAF);
    match path.step() {
        Step::Literal(level) => mix(parent, hasher.hash_one(level)),
        Step::Plus | Step::Here | Step::Below => 0,
    }
}

/// A level's hash is computed once for all nodes at its depth; this adds the parent.
fn mix(parent: u32, level_hash: u64) -> u64 {
    let spread = u64::from(parent).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let product = u128::from(level_hash ^ spread) * 0xA24B_AED4_963E_E407_u128;
    let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
    u64::try_from(low ^ high).unwrap_or_default()
}

#[cfg(test)]
mod tests;
