//! JSON pointers to the members that a fingerprint ignores.

/// Points to an excluded member, as the steps that lead to it.
#[derive(Clone, Debug)]
pub(in crate::http::fingerprint) struct Pointer(Vec<String>);

impl Pointer {
    /// Parses a JSON pointer. Without a leading slash it is the name of a member of the outermost object.
    pub(in crate::http::fingerprint) fn new(text: &str) -> Self {
        match text.strip_prefix('/') {
            None => Self(vec![text.to_owned()]),
            Some(rest) => Self(
                rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
            ),
        }
    }
}

/// What is excluded from a value: the remaining steps of each pointer that leads into it.
#[derive(Clone, Debug, Default)]
pub(super) struct Excluded<'a>(Vec<&'a [String]>);

impl<'a> Excluded<'a> {
    /// What is excluded from a whole body.
    pub(super) fn of(pointers: &'a [Pointer]) -> Self {
        Self(pointers.iter().map(|pointer| &*pointer.0).collect())
    }

    /// What is excluded from the member of this name.
    pub(super) fn member(&self, name: &str) -> Self {
        self.step(|step| step == name)
    }

    /// What is excluded from the item at this index.
    pub(super) fn item(&self, index: usize) -> Self {
        self.step(|step| step.parse() == Ok(index))
    }

    fn step(&self, matches: impl Fn(&str) -> bool) -> Self {
        let inside = self.0.iter().filter_map(|steps| steps.split_first());
        Self(inside.filter(|(step, _)| matches(step)).map(|(_, rest)| rest).collect())
    }

    /// Whether the whole value is excluded.
    pub(super) fn is_all(&self) -> bool {
        self.0.iter().any(|steps| steps.is_empty())
    }
}
