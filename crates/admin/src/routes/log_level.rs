use axum::{Extension, Json, extract::State};
use nuncio_audit::Act;

use crate::api::{Failure, LogLevel};

use super::{Context, JsonBody};

pub(super) async fn get(State(context): State<Context>) -> Json<LogLevel> {
    Json(LogLevel { filter: context.operator.log_filter() })
}

pub(super) async fn set(
    State(context): State<Context>,
    JsonBody(level): JsonBody<LogLevel>,
) -> Result<(Extension<Act>, Json<LogLevel>), Failure> {
    context.operator.set_log_filter(&level.filter)?;
    let filter = context.operator.log_filter();
    Ok((Extension(Act::SetLogFilter { filter: (&filter).into() }), Json(LogLevel { filter })))
}
