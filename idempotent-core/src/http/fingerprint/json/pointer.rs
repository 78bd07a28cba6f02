//! Where members of a body are that do not count.

/// A member that does not count.
#[derive(Clone, Debug)]
pub(in crate::http::fingerprint) struct Pointer(Vec<String>);

impl Pointer {
    /// A JSON pointer, or without a leading slash the name of a member of the outermost object.
    pub(in crate::http::fingerprint) fn new(text: &str) -> Self {
        match text.strip_prefix('/') {
            None => Self(vec![text.to_owned()]),
            Some(rest) => Self(
                rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
            ),
        }
    }
}

/// What pointers say of a value and of all inside it.
#[derive(Clone, Debug, Default)]
pub(super) struct Excluded<'a>(Vec<&'a [String]>);

impl<'a> Excluded<'a> {
    /// What they say of a whole body, which counts.
    pub(super) fn of(pointers: &'a [Pointer]) -> Self {
        Self(pointers.iter().map(|pointer| &*pointer.0).collect())
    }

    /// What they say of a member, by its name.
    pub(super) fn member(&self, name: &str) -> Self {
        self.step(|step| step == name)
    }

    /// What they say of an item, by its index.
    pub(super) fn item(&self, index: usize) -> Self {
        self.step(|step| step.parse() == Ok(index))
    }

    fn step(&self, is_taken: impl Fn(&str) -> bool) -> Self {
        let inside = self.0.iter().filter_map(|steps| steps.split_first());
        Self(inside.filter(|(step, _)| is_taken(step)).map(|(_, rest)| rest).collect())
    }

    /// Whether this very value does not count.
    pub(super) fn is_all(&self) -> bool {
        self.0.iter().any(|steps| steps.is_empty())
    }
}
