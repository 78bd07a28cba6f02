//! What every server's handle can do to its process.

/// The methods of a handle whose expression for the process is given.
macro_rules! controls {
    (|$handle:ident| $process:expr) => {
        /// The server's process id; 0 while it is killed.
        #[must_use]
        pub fn pid(&self) -> u32 {
            let $handle = self;
            $process.pid()
        }

        /// Whether the process is there, be it frozen or not.
        #[must_use]
        pub fn is_running(&self) -> bool {
            let $handle = self;
            $process.is_running()
        }

        /// `kill -9`, of the server's child processes too. Returns when they are gone.
        ///
        /// # Panics
        ///
        /// When a process cannot be killed.
        pub fn kill(&self) {
            let $handle = self;
            $crate::process::must($process.kill());
        }

        /// Freezes the process: `SIGSTOP`. The kernel goes on to accept connections and bytes for
        /// it. Child processes, where a server has them, go on.
        ///
        /// # Panics
        ///
        /// When the server is not running.
        pub fn stop_process(&self) {
            let $handle = self;
            $crate::process::must($process.signal(::rustix::process::Signal::STOP));
        }

        /// Lets a frozen process go on: `SIGCONT`.
        ///
        /// # Panics
        ///
        /// When the server is not running.
        pub fn resume(&self) {
            let $handle = self;
            $crate::process::must($process.signal(::rustix::process::Signal::CONT));
        }

        /// The end of what the server wrote to its log.
        #[must_use]
        pub fn log(&self) -> String {
            let $handle = self;
            $process.log()
        }
    };
}

pub(crate) use controls;
