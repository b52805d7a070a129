//! How long each piece of work takes: `cargo bench -p nuncio-wire --bench times`. For reading, never for judging: see
//! `instructions.rs`.

#[path = "../tests/wire/party.rs"]
#[allow(dead_code, reason = "made for the tests")]
mod party;
mod work;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for work in work::all() {
        let mut turn = None;
        criterion.bench_function(work.name, |bencher| {
            let turn = turn.get_or_insert_with(|| (work.ready)());
            bencher.iter(turn);
        });
    }
    criterion.final_summary();
}
