//! The modules of a crate, read from its files as the compiler finds them.
//!
//! Every `cfg` is taken to be on, except that what only tests or only rustdoc compile is left out.

use std::path::{Path, PathBuf};
use std::{error, fmt, fs, io};

use syn::punctuated::Punctuated;
use syn::{Attribute, Item, ItemMod, Meta, Token};

/// A module's place in [`Tree::modules`].
pub(crate) type ModuleId = usize;
/// A file's place in [`Tree::files`].
pub(crate) type FileId = usize;

/// The root module of a crate.
pub(crate) const ROOT: ModuleId = 0;

/// The modules of a crate and the files they are in.
pub(crate) struct Tree {
    /// The package's name.
    pub(crate) name: String,
    /// Each file's path below `src`, with `/` on every system.
    pub(crate) files: Vec<String>,
    pub(crate) modules: Vec<Module>,
}

pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) parent: Option<ModuleId>,
    pub(crate) children: Vec<ModuleId>,
    pub(crate) file: FileId,
    /// Without its submodules, and without what the library is compiled without.
    pub(crate) items: Vec<Item>,
}

/// Why a crate cannot be read.
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    cause: String,
}

impl Tree {
    /// Reads the crate in a directory, from its `src/lib.rs` on.
    pub(crate) fn read(directory: &Path) -> Result<Self, ReadError> {
        let name = package_name(&directory.join("Cargo.toml"))?;
        let source = directory.join("src");
        let mut tree = Self { name, files: Vec::new(), modules: Vec::new() };
        tree.read_file(&source, Path::new("lib.rs"), Path::new(""), String::new(), None)?;
        Ok(tree)
    }

    /// Whether a module is another one or below it.
    pub(crate) fn is_within(&self, module: ModuleId, ancestor: ModuleId) -> bool {
        let mut at = Some(module);
        while let Some(id) = at {
            if id == ancestor {
                return true;
            }
            at = self.modules[id].parent;
        }
        false
    }

    /// A module's path from the root, as `crate::a::b`.
    pub(crate) fn path(&self, module: ModuleId) -> String {
        let module = &self.modules[module];
        match module.parent {
            Some(parent) => format!("{}::{}", self.path(parent), module.name),
            None => "crate".to_owned(),
        }
    }

    /// Reads a file, whose submodules are in the files of a folder. Both paths are below `source`.
    fn read_file(
        &mut self,
        source: &Path,
        file: &Path,
        folder: &Path,
        name: String,
        parent: Option<ModuleId>,
    ) -> Result<ModuleId, ReadError> {
        let path = source.join(file);
        let text = fs::read_to_string(&path).map_err(|error| ReadError::of(&path, &error))?;
        let parsed = syn::parse_file(&text).map_err(|error| {
            let line = error.span().start().line;
            ReadError::of(&path, &format_args!("line {line}: {error}"))
        })?;
        self.files.push(file.to_string_lossy().replace('\\', "/"));
        let file = self.files.len() - 1;
        self.add(source, file, folder, name, parent, parsed.items)
    }

    fn add(
        &mut self,
        source: &Path,
        file: FileId,
        folder: &Path,
        name: String,
        parent: Option<ModuleId>,
        items: Vec<Item>,
    ) -> Result<ModuleId, ReadError> {
        let id = self.modules.len();
        self.modules.push(Module { name, parent, children: Vec::new(), file, items: Vec::new() });
        for item in items {
            if is_left_out(attributes(&item)) {
                continue;
            }
            match item {
                Item::Mod(module) => {
                    let child = self.submodule(source, file, folder, id, module)?;
                    self.modules[id].children.push(child);
                }
                item => self.modules[id].items.push(item),
            }
        }
        Ok(id)
    }

    fn submodule(
        &mut self,
        source: &Path,
        file: FileId,
        folder: &Path,
        parent: ModuleId,
        module: ItemMod,
    ) -> Result<ModuleId, ReadError> {
        let name = text(&module.ident);
        let below = folder.join(&name);
        if module.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
            let path = source.join(&self.files[file]);
            return Err(ReadError::of(
                &path,
                &format_args!("`#[path]` of `mod {name}` is not read"),
            ));
        }
        if let Some((_, items)) = module.content {
            return self.add(source, file, &below, name, Some(parent), items);
        }
        let flat = folder.join(format!("{name}.rs"));
        let path = if source.join(&flat).exists() { flat } else { below.join("mod.rs") };
        self.read_file(source, &path, &below, name, Some(parent))
    }
}

impl ReadError {
    fn of(path: &Path, cause: &dyn fmt::Display) -> Self {
        Self { path: path.to_owned(), cause: cause.to_string() }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}: {}", self.path.display(), self.cause)
    }
}

impl error::Error for ReadError {}

/// An identifier without the `r#` of a raw one.
pub(crate) fn text(ident: &syn::Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}

/// Whether attributes say that only tests or rustdoc compile something: `cfg(test)`, `cfg(doc)`,
/// `cfg(all(test, …))`.
pub(crate) fn is_left_out(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Meta>().is_ok_and(|condition| is_off(&condition))
    })
}

fn is_off(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => ["test", "doc", "doctest"].iter().any(|name| path.is_ident(name)),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|conditions| conditions.iter().any(is_off)),
        _ => false,
    }
}

/// The attributes of an item.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The name in the `[package]` of a manifest.
fn package_name(manifest: &Path) -> Result<String, ReadError> {
    let text = fs::read_to_string(manifest).map_err(|error| ReadError::of(manifest, &error))?;
    text.lines()
        .skip_while(|line| line.trim() != "[package]")
        .find_map(|line| line.trim().strip_prefix("name")?.trim_start().strip_prefix('='))
        .map(|value| value.trim().trim_matches('"').to_owned())
        .ok_or_else(|| {
            let missing = io::Error::new(io::ErrorKind::InvalidData, "it names no package");
            ReadError::of(manifest, &missing)
        })
}
