use axum::Json;

use crate::openapi;

pub(super) async fn show() -> Json<serde_json::Value> {
    Json(openapi::document().clone())
}
