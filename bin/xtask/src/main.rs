//! The workspace's task runner: what is generated from the code, and whether the committed copy is still the same.

mod bounds;
mod configuration;
mod dependencies;
mod graph;
mod metrics;
mod reference;
mod rights;
mod sbom;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use clap_complete::Shell;

/// The committed pages that are written from the code, from the workspace's root, and what they say now.
fn pages(root: &Path) -> anyhow::Result<[(&'static str, String); 7]> {
    Ok([
        ("docs/reference/cli.md", reference::of(nuncio::cli())),
        ("docs/reference/configuration.md", configuration::page()),
        ("docs/reference/dependencies.md", dependencies::page(root)?),
        ("docs/reference/openapi.json", nuncio_admin::openapi()),
        ("docs/book/bounds.md", bounds::page()),
        ("docs/book/metrics.md", metrics::page()),
        ("docs/book/who-may-do-what.md", rights::page()),
    ])
}

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Generated references, man pages, completions, bill of materials")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write the reference of the commands from their help, the admin API's document, and the pages about configuration, bounds, metrics, roles and dependencies from what decides them
    Generate,
    /// Fail when a page is not what `generate` would write
    Check,
    /// Write man pages, shell completions and the bill of materials
    Package {
        /// Where man/, completions/ and nuncio.cdx.json are made
        #[arg(long, value_name = "DIR", default_value = "target/package")]
        out: PathBuf,
    },
    /// Write the bill of materials of the binary alone, CycloneDX
    Sbom {
        /// The file to write
        #[arg(long, value_name = "FILE", default_value = "target/package/nuncio.cdx.json")]
        out: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Generate => generate(&root()?),
        Task::Check => check(&root()?),
        Task::Package { out } => package(&root()?, &out),
        Task::Sbom { out } => bill(&root()?, &out),
    }
}

/// The workspace's root, from the manifest that cargo names.
fn root() -> anyhow::Result<PathBuf> {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set: run it as `cargo xtask`")?;
    let root = Path::new(&manifest).ancestors().nth(2).context("the manifest is not in bin/xtask")?;
    Ok(root.to_owned())
}

fn generate(root: &Path) -> anyhow::Result<()> {
    for (page, text) in pages(root)? {
        let path = root.join(page);
        make_directory(path.parent().unwrap_or(root))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn check(root: &Path) -> anyhow::Result<()> {
    pages(root)?.into_iter().try_for_each(|(page, text)| compare(root, page, &text))
}

fn compare(root: &Path, page: &str, fresh: &str) -> anyhow::Result<()> {
    let path = root.join(page);
    let committed = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    if committed == fresh {
        return Ok(());
    }
    let common = committed.lines().zip(fresh.lines()).take_while(|(old, new)| old == new).count();
    let line = |text: &str| text.lines().nth(common).unwrap_or("(end of file)").to_owned();
    bail!(
        "{page}:{}: not what the code says now; run `cargo xtask generate`\n  committed: {}\n  generated: {}",
        common + 1,
        line(&committed),
        line(fresh)
    )
}

fn bill(root: &Path, out: &Path) -> anyhow::Result<()> {
    make_directory(out.parent().unwrap_or(root))?;
    fs::write(out, sbom::document(root)?).with_context(|| format!("cannot write {}", out.display()))
}

fn package(root: &Path, out: &Path) -> anyhow::Result<()> {
    let (man, completions) = (out.join("man"), out.join("completions"));
    make_directory(&man)?;
    make_directory(&completions)?;
    clap_mangen::generate_to(nuncio::cli(), &man).context("cannot write the man pages")?;
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut nuncio::cli(), "nuncio", &completions)
            .with_context(|| format!("cannot write the completions for {shell}"))?;
    }
    bill(root, &out.join("nuncio.cdx.json"))
}

fn make_directory(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}
