//! Nodes as child processes that never outlive this one.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nuncio_admin::client::Client;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use super::condition::{until, within};
use crate::{cli::config::admin_address, failure::Failure};

/// How long a node may take to drain before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// How much of a log is read to say why a node died, in bytes.
const LOG_TAIL: u64 = 16 << 10;

/// One node of a testnet, running. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    name: String,
    log: PathBuf,
    child: Child,
    /// Held apart: waiting for a child closes its own handle, and the node stops when this one closes.
    _alive: Option<ChildStdin>,
    client: Client,
}

impl NodeProcess {
    /// Starts the node of `directory` with this program. Its standard input is a pipe of ours: when this
    /// process ends, however it ends, the pipe closes and the node stops.
    pub(crate) fn spawn(directory: &Path) -> Result<Self, Failure> {
        let config = directory.join("nuncio.toml");
        let client = Client::new(admin_address(&config)?);
        let program = env::current_exe()
            .map_err(|error| Failure::operation("internal", format_args!("cannot find this program: {error}")))?;
        let (log, output) = open_log(directory)?;
        let errors = output.try_clone().map_err(|error| Failure::file("cannot write", &log, &error))?;
        let mut command = Command::new(&program);
        for (variable, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NUNCIO_")) {
            command.env_remove(variable);
        }
        let mut child = command
            .args(["run", "--stop-with-stdin", "--config"])
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            // A Ctrl-C in the terminal is for this program, which then stops the nodes in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::file("cannot run", &program, &error))?;
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, log, _alive: child.stdin.take(), child, client })
    }

    /// The directory's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A client of its admin API.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The process, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the node answers that it is ready; fails at once when it dies instead.
    pub(crate) async fn wait_until_ready(&mut self, limit: Duration) -> Result<(), Failure> {
        self.wait_for_api(limit, true).await
    }

    /// Waits until the admin API answers at all.
    pub(crate) async fn wait_until_alive(&mut self, limit: Duration) -> Result<(), Failure> {
        self.wait_for_api(limit, false).await
    }

    /// Waits until the process ends by itself.
    pub(crate) async fn wait(&mut self) -> Option<ExitStatus> {
        self.child.wait().await.ok()
    }

    /// Why the process ended, in one line.
    pub(crate) fn obituary(&self, status: ExitStatus) -> Failure {
        // The last words of a node that was killed say nothing about why.
        let said = status.code().and_then(|_| self.last_words()).map(|words| format!(": {words}")).unwrap_or_default();
        Failure::operation("node_died", format_args!("{} ended ({status}){said}", self.name))
            .hint(format_args!("see {}", self.log.display()))
    }

    /// The end of what the node wrote.
    pub(crate) fn log_tail(&self) -> String {
        let read = || {
            let mut file = File::open(&self.log)?;
            let length = file.seek(SeekFrom::End(0))?;
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
            let mut bytes = Vec::new();
            file.take(LOG_TAIL).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().unwrap_or_default()
    }

    /// SIGTERM, then SIGKILL when the node does not drain in time. Whether it drained.
    pub(crate) async fn stop(mut self) -> bool {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)) {
            // A process that is gone already needs no signal.
            let _ = kill_process(pid, Signal::TERM);
        }
        if within("stopping", GRACE, self.child.wait()).await.is_ok() {
            return true;
        }
        let _ = self.child.kill().await;
        false
    }

    /// SIGKILL, as a crash would have it.
    pub(crate) async fn kill(mut self) -> Result<(), Failure> {
        let killed = self.child.kill().await;
        killed.map_err(|error| Failure::operation("internal", format_args!("cannot kill {}: {error}", self.name)))
    }

    fn last_words(&self) -> Option<String> {
        let said = |line: &&str| !line.is_empty() && !line.starts_with("hint: ");
        self.log_tail().lines().rev().map(str::trim).find(said).map(str::to_owned)
    }

    async fn wait_for_api(&mut self, limit: Duration, ready: bool) -> Result<(), Failure> {
        let client = self.client.clone().with_timeout(Duration::from_secs(5));
        let question = || async {
            let health = client.readyz().await.map_err(|error| error.to_string())?;
            let missing = health.checks.iter().filter(|check| !check.ok);
            let missing: Vec<_> = missing.map(|check| format!("{}: {}", check.check, check.detail)).collect();
            if health.ok || !ready { Ok(()) } else { Err(missing.join(", ")) }
        };
        let what = format!("{} is ready", self.name);
        tokio::select! {
            answer = until(&what, limit, question) => answer,
            status = self.child.wait() => match status {
                Ok(status) => Err(self.obituary(status)),
                Err(error) => Err(Failure::operation("internal", format_args!("cannot watch {}: {error}", self.name))),
            },
        }
    }
}

/// Stops all at once; the names of those that had to be killed.
pub(crate) async fn stop_all(nodes: Vec<NodeProcess>) -> Vec<String> {
    let stops = nodes.into_iter().map(|node| async move {
        let name = node.name.clone();
        (!node.stop().await).then_some(name)
    });
    futures::future::join_all(stops).await.into_iter().flatten().collect()
}

fn open_log(directory: &Path) -> Result<(PathBuf, File), Failure> {
    let data = directory.join("data");
    fs::create_dir_all(&data).map_err(|error| Failure::file("cannot create", &data, &error))?;
    let log = data.join("node.log");
    let file = OpenOptions::new().create(true).append(true).open(&log);
    let file = file.map_err(|error| Failure::file("cannot write", &log, &error))?;
    Ok((log, file))
}
