//! What a process takes.

use crate::failure::Failure;

/// A process, by its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) const fn of(id: u32) -> Self {
        Self(id)
    }

    pub(crate) fn this() -> Self {
        Self(std::process::id())
    }

    /// User and system time so far.
    pub(crate) fn cpu_seconds(self) -> Result<f64, Failure> {
        let ticks = self.stat(11)? + self.stat(12)?;
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Memory that is resident, in bytes.
    pub(crate) fn resident(self) -> Result<u64, Failure> {
        Ok(self.stat(21)? * rustix::param::page_size() as u64)
    }

    /// A field of what the kernel tells, counted from the state that stands behind the name.
    fn stat(self, field: usize) -> Result<u64, Failure> {
        let path = format!("/proc/{}/stat", self.0);
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::file("read", path.as_ref(), &error))?;
        let value = text.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(field));
        let number = value.and_then(|value| value.parse().ok());
        number.ok_or_else(|| Failure::operation("internal", format_args!("{path} has no field {field}")))
    }
}
