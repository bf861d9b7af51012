//! Filters with wildcards, as a trie: one node for each level, shared by all filters that
//! begin alike.
//!
//! The nodes lie in one slab; one hash table holds the edges of all nodes, keyed by parent and
//! level. A `+` is a field of its parent, a `#` a field of the node that it stands under.
//!
//! Must hold: every node but the root has a subscriber at it or below it, so that churn leaves
//! nothing behind. Nothing here recurses: a topic may have 65,536 levels.
//!
//! Deliberately absent: the rule about `$` topics. Whoever asks keeps filters with a leading
//! wildcard apart, and does not ask them.

use ahash::RandomState;
use burgee_codec::{TopicFilter, TopicName};
use hashbrown::HashTable;

use crate::interest::Interest;
use crate::label::Label;
use crate::slab::{NONE, Slab};

#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Slab<Node>,
    interests: Slab<Interest>,
    edges: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Node {
    label: Label,
    parent: u32,
    /// The child for `+`.
    plus: u32,
    /// How many children have a literal label.
    literals: u32,
    /// Filters that end here.
    here: u32,
    /// Filters that go on with `#` from here; they match this level too.
    below: u32,
}

/// The root stands for the empty beginning of every filter. It is never removed.
const ROOT: u32 = 0;

impl Trie {
    pub(crate) fn new(hasher: RandomState) -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        Self {
            nodes,
            interests: Slab::new(),
            edges: HashTable::new(),
            hasher,
        }
    }

    /// Changes who is interested in a filter, which is added if need be.
    pub(crate) fn upsert<R>(&mut self, filter: TopicFilter<'_>, change: impl FnOnce(&mut Interest) -> R) -> R {
        let (path, tail) = split(filter);
        let mut at = ROOT;
        for level in path {
            at = match self.child(at, level) {
                NONE => self.add_child(at, level),
                found => found,
            };
        }
        if self.interest(at, tail).is_none() {
            let id = self.interests.insert(Interest::Nobody);
            if let Some(node) = self.nodes.get_mut(at) {
                *node.end(tail) = id;
            }
        }
        let mut spare = Interest::Nobody;
        let result = change(self.interest(at, tail).unwrap_or(&mut spare));
        self.tidy(at, tail);
        result
    }

    /// Changes who is interested in a filter that is stored; it goes if nobody is left.
    pub(crate) fn alter<R>(&mut self, filter: TopicFilter<'_>, change: impl FnOnce(&mut Interest) -> R) -> Option<R> {
        let (path, tail) = split(filter);
        let mut at = ROOT;
        for level in path {
            at = self.child(at, level);
        }
        let result = change(self.interest(at, tail)?);
        self.tidy(at, tail);
        Some(result)
    }

    /// Shows the interests of all filters that match. Returns how many nodes it has seen.
    pub(crate) fn matching(&self, topic: TopicName<'_>, mut visit: impl FnMut(&Interest)) -> usize {
        if self.is_empty() {
            return 0;
        }
        let mut steps = 0;
        let mut active = vec![ROOT];
        let mut next = Vec::new();
        self.visit(&active, Tail::Below, &mut visit);
        for level in topic.as_str().split('/') {
            let hash = self.hasher.hash_one(level.as_bytes());
            for &at in &active {
                let Some(node) = self.nodes.get(at) else { continue };
                steps += 1;
                if node.literals > 0 {
                    next.extend(self.literal(at, level, hash));
                }
                if node.plus != NONE {
                    next.push(node.plus);
                }
            }
            active.clear();
            std::mem::swap(&mut active, &mut next);
            if active.is_empty() {
                return steps;
            }
            self.visit(&active, Tail::Below, &mut visit);
        }
        self.visit(&active, Tail::Here, &mut visit);
        steps
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.interests.len() == 0
    }

    /// How many nodes there are besides the root.
    #[cfg(test)]
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len() - 1
    }

    fn visit(&self, nodes: &[u32], tail: Tail, visit: &mut impl FnMut(&Interest)) {
        for &at in nodes {
            let id = self.nodes.get(at).map_or(NONE, |node| node.ends(tail));
            if let Some(interest) = self.interests.get(id) {
                visit(interest);
            }
        }
    }

    fn interest(&mut self, at: u32, tail: Tail) -> Option<&mut Interest> {
        let id = self.nodes.get(at)?.ends(tail);
        self.interests.get_mut(id)
    }

    fn child(&self, at: u32, level: &str) -> u32 {
        if level == "+" {
            return self.nodes.get(at).map_or(NONE, |node| node.plus);
        }
        self.literal(at, level, self.hasher.hash_one(level.as_bytes()))
            .unwrap_or(NONE)
    }

    fn literal(&self, at: u32, level: &str, level_hash: u64) -> Option<u32> {
        self.edges
            .find(mix(at, level_hash), |&id| {
                self.nodes.get(id).is_some_and(|child| child.is(at, level))
            })
            .copied()
    }

    fn add_child(&mut self, at: u32, level: &str) -> u32 {
        let id = self.nodes.insert(Node {
            label: Label::new(level),
            parent: at,
            ..Node::default()
        });
        let Some(parent) = self.nodes.get_mut(at) else {
            return id;
        };
        if level == "+" {
            parent.plus = id;
            return id;
        }
        parent.literals += 1;
        let hash = mix(at, self.hasher.hash_one(level.as_bytes()));
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.edges.insert_unique(hash, id, |&id| edge_hash(nodes, hasher, id));
        id
    }

    /// Removes the interest if it is nobody's any more, and the nodes that nobody needs then.
    fn tidy(&mut self, at: u32, tail: Tail) {
        if self.interest(at, tail).is_some_and(|interest| !interest.is_nobody()) {
            return;
        }
        if let Some(node) = self.nodes.get_mut(at) {
            let id = std::mem::replace(node.end(tail), NONE);
            self.interests.remove(id);
        }
        let mut at = at;
        while at != ROOT && self.nodes.get(at).is_some_and(Node::is_bare) {
            at = self.remove_leaf(at);
        }
        if self.is_empty() {
            // The memory goes too.
            *self = Self::new(self.hasher.clone());
        } else if self.edges.capacity() > 4 * self.edges.len() + 64 {
            let (nodes, hasher) = (&self.nodes, &self.hasher);
            self.edges
                .shrink_to(2 * self.edges.len(), |&id| edge_hash(nodes, hasher, id));
        }
    }

    /// Returns the parent of what has been removed.
    fn remove_leaf(&mut self, at: u32) -> u32 {
        let hash = edge_hash(&self.nodes, &self.hasher, at);
        if let Ok(edge) = self.edges.find_entry(hash, |&id| id == at) {
            edge.remove();
        }
        let up = self.nodes.remove(at).parent;
        if let Some(parent) = self.nodes.get_mut(up) {
            if parent.plus == at {
                parent.plus = NONE;
            } else {
                parent.literals -= 1;
            }
        }
        up
    }
}

impl Node {
    fn is(&self, parent: u32, level: &str) -> bool {
        self.parent == parent && self.label.as_bytes() == level.as_bytes()
    }

    fn ends(&self, tail: Tail) -> u32 {
        match tail {
            Tail::Here => self.here,
            Tail::Below => self.below,
        }
    }

    fn end(&mut self, tail: Tail) -> &mut u32 {
        match tail {
            Tail::Here => &mut self.here,
            Tail::Below => &mut self.below,
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

/// How a filter ends.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
enum Tail {
    Here,
    Below,
}

/// The levels before a final `#`, and whether there was one.
fn split(filter: TopicFilter<'_>) -> (impl Iterator<Item = &str>, Tail) {
    let text = filter.as_str();
    let (path, tail) = match (text, text.strip_suffix("/#")) {
        ("#", _) => (None, Tail::Below),
        (_, Some(path)) => (Some(path), Tail::Below),
        (_, None) => (Some(text), Tail::Here),
    };
    (path.into_iter().flat_map(|path| path.split('/')), tail)
}

/// Depends on the node's own text and parent only, so that the table can grow without a copy
/// of the hash in each node.
fn edge_hash(nodes: &Slab<Node>, hasher: &RandomState, id: u32) -> u64 {
    nodes
        .get(id)
        .map_or(0, |node| mix(node.parent, hasher.hash_one(node.label.as_bytes())))
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
