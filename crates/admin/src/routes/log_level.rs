use axum::{Json, extract::State};

use crate::api::{Failure, LogLevel};

use super::{Context, JsonBody};

pub(super) async fn get(State(context): State<Context>) -> Json<LogLevel> {
    Json(LogLevel { filter: context.operator.log_filter() })
}

pub(super) async fn set(
    State(context): State<Context>,
    JsonBody(level): JsonBody<LogLevel>,
) -> Result<Json<LogLevel>, Failure> {
    context.operator.set_log_filter(&level.filter)?;
    Ok(Json(LogLevel { filter: context.operator.log_filter() }))
}
