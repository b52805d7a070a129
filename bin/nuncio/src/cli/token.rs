//! `nuncio token`: bearer tokens of a node's admin API, and of its web door. Nothing is asked of a running node; it reads the file itself.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan};
use nuncio_admin::{TokenError, TokenFile};
use nuncio_audit::Scope;
use nuncio_daemon::Config;
use serde_json::json;

use super::text::or_dash;
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The node's configuration file [default: ./nuncio.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file of the tokens [default: that of the configuration]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a token and print it; the file keeps its hash only
    Make {
        /// Whose it is: its name stands in the audit log
        name: String,
        /// What its holder may: `read` to look, `full` for everything, `client` to come in at the web door as an SDK does
        #[arg(long, default_value = "read", value_parser = scope)]
        scope: Scope,
        /// It ends after so many days [default: never]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: Option<u32>,
    },
    /// Every token: its name, scope and end
    List,
    /// Take a token back; the node refuses it from its next request on
    Revoke {
        /// Its name
        name: String,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == text);
    scope.ok_or_else(|| "write read, full or client".to_owned())
}

pub(crate) fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let file = TokenFile::new(arguments.place.path()?);
    match arguments.action {
        Action::Make { name, scope, days } => {
            let ends = days.and_then(|days| Timestamp::now().checked_add((i64::from(days) * 24).hours()).ok());
            let token = file.make(&name, scope, ends)?;
            let object = json!({
                "name": name, "scope": scope, "ends": ends.map(|end| end.to_string()), "token": token,
            });
            output.show(&object, || token.clone())?;
            if !output.json {
                output.note("keep it: it is shown this once, and its hash alone is kept");
            }
            Ok(())
        }
        Action::List => list(&file, output),
        Action::Revoke { name } => {
            file.revoke(&name)?;
            output.show(&json!({ "name": name, "revoked": true }), || format!("{name} is taken back"))
        }
    }
}

fn list(file: &TokenFile, output: Output) -> Result<(), Failure> {
    let now = Timestamp::now();
    let objects = file.list()?.into_iter().map(|token| {
        let ended = token.has_ended(now);
        let (made, ends) = (token.made.to_string(), token.ends.map(|end| end.to_string()));
        json!({ "name": token.name, "scope": token.scope, "made": made, "ends": ends, "ended": ended })
    });
    let objects: Vec<_> = objects.collect();
    output.rows(&objects, &["name", "scope", "made", "ends"], |one| {
        let text = |key: &str| one[key].as_str().map(str::to_owned);
        let ends = or_dash(text("ends").as_ref());
        let ends = if one["ended"] == true { output.bad(&format!("{ends} (ended)")) } else { ends };
        vec![or_dash(text("name").as_ref()), or_dash(text("scope").as_ref()), or_dash(text("made").as_ref()), ends]
    })
}

impl Place {
    fn path(&self) -> Result<PathBuf, Failure> {
        match &self.file {
            Some(file) => Ok(file.clone()),
            None => Ok(Config::load(self.config.as_deref().unwrap_or(Path::new("nuncio.toml")))?.admin_tokens()),
        }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::operation("token", &error).hint(error.hint())
    }
}
