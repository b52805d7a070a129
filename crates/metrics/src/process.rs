//! The process, as Prometheus' own clients tell of it.

use crate::{book::metrics, table::Table};

metrics! {
    /// The process, as Prometheus' own clients tell of it.
    Process {
        /// Processor time that the process has used, in seconds.
        cpu: Table = "process_cpu_seconds" (Table::counters(&[])),
        /// Memory of the process that is resident, in bytes.
        resident: Table = "process_resident_memory_bytes" (Table::gauges(&[])),
        /// Addresses that the process has mapped, in bytes.
        mapped: Table = "process_virtual_memory_bytes" (Table::gauges(&[])),
        /// When the process started, Unix time in seconds.
        started: Table = "process_start_time_seconds" (Table::gauges(&[])),
        /// Descriptors that are open.
        descriptors: Table = "process_open_fds" (Table::gauges(&[])),
        /// Descriptors that may be open.
        most_descriptors: Table = "process_max_fds" (Table::gauges(&[])),
        /// Threads of the process.
        threads: Table = "process_threads" (Table::gauges(&[])),
    }
}

impl Process {
    /// What cannot be read is left out.
    #[cfg(target_os = "linux")]
    pub(crate) fn read(&self) {
        use procfs::process;

        let Ok(me) = process::Process::myself() else { return };
        if let Ok(stat) = me.stat() {
            let (ticks, page) = (procfs::ticks_per_second() as f64, procfs::page_size() as f64);
            self.cpu.set_one((stat.utime + stat.stime) as f64 / ticks);
            self.resident.set_one(stat.rss as f64 * page);
            self.mapped.set_one(stat.vsize as f64);
            self.threads.set_one(stat.num_threads as f64);
            if let Ok(boot) = procfs::boot_time_secs() {
                self.started.set_one(boot as f64 + stat.starttime as f64 / ticks);
            }
        }
        if let Ok(open) = me.fd_count() {
            self.descriptors.set_one(open as f64);
        }
        if let Ok(limits) = me.limits()
            && let process::LimitValue::Value(most) = limits.max_open_files.soft_limit
        {
            self.most_descriptors.set_one(most as f64);
        }
    }

    /// Other systems have no such files.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn read(&self) {}
}
