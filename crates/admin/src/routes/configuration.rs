use axum::{Json, extract::State};

use crate::api::ConfigurationKey;

use super::Context;

pub(super) async fn show(State(context): State<Context>) -> Json<Vec<ConfigurationKey>> {
    Json(context.operator.configuration())
}
