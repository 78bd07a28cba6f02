//! What every command needs: the options, and how to print and to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::args::{MoveTarget, Options};
use crate::config::Config;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::store::{Connected, Settings};

/// What every command needs.
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) interrupt: Interrupt,
    /// Whether a change was made: what fails after that must not read as if nothing had been changed.
    pub(crate) has_changed: Arc<AtomicBool>,
    options: Options,
    config: Config,
}

impl Context {
    pub(crate) fn new(options: Options) -> Result<Self, Failure> {
        let config = Config::read(options.config.as_deref())?;
        let output = Output::new(options.json, options.color);
        let has_changed = Arc::default();
        Ok(Self { output, interrupt: Interrupt::listen(), has_changed, options, config })
    }

    /// What the store is, from the command line, the environment and the file, in this order.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Settings::new(&self.options, &self.config)
    }

    /// Connects to the store. Ctrl-C ends that.
    pub(crate) async fn connect(&self) -> Result<Connected, Failure> {
        let settings = self.settings()?;
        self.interrupt.unless_pressed(settings.connect()).await?
    }

    /// Connects to the store of this URL, or to the usual one without it.
    pub(crate) async fn connect_to(&self, url: Option<String>) -> Result<Connected, Failure> {
        let mut options = self.options.clone();
        if url.is_some() {
            options.store = url;
            options.is_store_from_environment = false;
        }
        let settings = Settings::new(&options, &self.config)?.with_connections(8);
        self.interrupt.unless_pressed(settings.connect()).await?
    }

    /// What the store is to which records are moved.
    pub(crate) fn target_settings(&self, target: &MoveTarget) -> Result<Settings, Failure> {
        Settings::of_target(target, self.options.timeout)
    }

    /// The file of audit lines, if there is one.
    pub(crate) fn audit_log(&self) -> Option<PathBuf> {
        self.options.audit_log.clone().or_else(|| self.config.audit_log.clone())
    }

    /// Whether audit lines have the results that calls get.
    pub(crate) const fn audits_results(&self) -> bool {
        self.options.audit_results || self.config.audit_results
    }

    /// Whether more is to be said than usual.
    pub(crate) const fn is_verbose(&self) -> bool {
        self.options.verbose > 0
    }

    /// Who it is by the configuration file.
    pub(crate) fn configured_operator(&self) -> Option<&str> {
        self.config.operator.as_deref()
    }

    /// Whether output is documents.
    pub(crate) const fn is_json(&self) -> bool {
        self.options.json
    }
}
