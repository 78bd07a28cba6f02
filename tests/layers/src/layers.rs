//! Holds arrows to the layers of a crate.

use std::collections::BTreeSet;

use crate::rules::{Imports, Layer};

/// The layer of each file, in the order of the files.
pub(crate) struct Placement {
    layers: Vec<Option<&'static Layer>>,
}

impl Placement {
    pub(crate) fn of(files: &[String], layers: &'static [Layer]) -> Self {
        let layer_of = |file: &String| layers.iter().find(|layer| layer.has(file));
        Self { layers: files.iter().map(layer_of).collect() }
    }

    /// Whether an arrow from this file counts.
    pub(crate) fn is_checked(&self, file: usize) -> bool {
        !self.layers[file].is_some_and(|layer| matches!(layer.imports, Imports::Unchecked))
    }

    /// The names of an arrow's layers, if the first must not import the second.
    pub(crate) fn violation(&self, from: usize, to: usize) -> Option<(&'static str, &'static str)> {
        let (from, to) = (self.layers[from]?, self.layers[to]?);
        let may = match from.imports {
            Imports::Everything | Imports::Unchecked => true,
            Imports::Only(layers) => from.name == to.name || layers.contains(&to.name),
        };
        if may { None } else { Some((from.name, to.name)) }
    }

    /// Folders and files that are in no layer. Of a folder, what is in it is not named too.
    pub(crate) fn homeless(&self, files: &[String], layers: &[Layer]) -> BTreeSet<String> {
        let is_shared = |folder: &str| {
            layers.iter().flat_map(|layer| layer.files).any(|prefix| prefix.starts_with(folder))
        };
        let without = files.iter().zip(&self.layers).filter(|(_, layer)| layer.is_none());
        without
            .map(|(file, _)| {
                let folders = file.match_indices('/').map(|(at, _)| &file[..=at]);
                folders.into_iter().find(|folder| !is_shared(folder)).unwrap_or(file).to_owned()
            })
            .collect()
    }
}

impl Layer {
    fn has(&self, file: &str) -> bool {
        self.files.iter().any(|prefix| match prefix.strip_suffix('/') {
            Some(_) => file.starts_with(prefix),
            None => file == *prefix,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::of_crate;

    #[test]
    fn every_layer_that_may_be_imported_exists() {
        for name in ["idempotent-core", "idempotent-macros"] {
            let layers = of_crate(name).unwrap();
            for layer in layers {
                let Imports::Only(imports) = layer.imports else { continue };
                for import in imports {
                    assert!(layers.iter().any(|other| other.name == *import), "{import}");
                }
            }
        }
    }

    #[test]
    fn no_two_layers_may_import_each_other() {
        for name in ["idempotent-core", "idempotent-macros"] {
            let layers = of_crate(name).unwrap();
            let may = |from: &Layer, to: &Layer| match from.imports {
                Imports::Only(imports) => imports.contains(&to.name),
                Imports::Everything | Imports::Unchecked => false,
            };
            for (at, one) in layers.iter().enumerate() {
                for other in &layers[at + 1..] {
                    assert!(!(may(one, other) && may(other, one)), "{}, {}", one.name, other.name);
                }
            }
        }
    }
}
