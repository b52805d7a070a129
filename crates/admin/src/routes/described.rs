//! What the types of a handler say about its operation. The API's document is written from it, so that it cannot say
//! anything else than the code does.

use std::collections::BTreeSet;

use axum::{
    Extension, Json,
    body::Body,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
};
use nuncio_audit::{Act, Scope};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, Content, HeaderBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
        path::{Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::Type,
    },
};

use super::{
    Context,
    answered::{Done, Events, Judged, Lines, Numbers},
    asked::{InTrace, JsonBody, Pairs, Parameters, Segment},
    messages::Reply,
};
use crate::{
    api::{self, ErrorCode, Failure, HOPS_HEADER, RTT_HEADER, TRACE_PARENT_HEADER},
    server::Peer,
};

/// An operation, as far as types tell it.
#[derive(Default)]
pub(crate) struct Sketch {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) request: Option<RequestBody>,
    pub(crate) answers: Vec<(StatusCode, Response)>,
    pub(crate) failures: BTreeSet<ErrorCode>,
    pub(crate) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Sketch {
    fn answer(&mut self, status: StatusCode, content_type: &str, schema: RefOr<Schema>, words: &str) {
        let content = Content::new(Some(schema));
        let answer = ResponseBuilder::new().description(words).content(content_type, content).build();
        self.answers.push((status, answer));
    }
}

/// A handler with these arguments.
pub(crate) trait Described<Arguments> {
    fn describe(sketch: &mut Sketch);
}

/// What the types of this handler say.
pub(crate) fn of<Arguments, F: Described<Arguments>>(_: &F) -> Sketch {
    let mut sketch = Sketch::default();
    F::describe(&mut sketch);
    sketch
}

macro_rules! handlers {
    ($($argument:ident)*) => {
        impl<F, Answer, $($argument),*> Described<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Answer,
            Answer: Future,
            Answer::Output: Answers,
            $($argument: Asks,)*
        {
            fn describe(sketch: &mut Sketch) {
                $($argument::sketch(sketch);)*
                Answer::Output::sketch(sketch);
            }
        }
    };
}

handlers!();
handlers!(A);
handlers!(A B);
handlers!(A B C);
handlers!(A B C D);
handlers!(A B C D E);
handlers!(A B C D E G);

/// A part of a request.
pub(crate) trait Asks {
    fn sketch(sketch: &mut Sketch);
}

impl Asks for State<Context> {
    fn sketch(_: &mut Sketch) {}
}

impl Asks for ConnectInfo<Peer> {
    fn sketch(_: &mut Sketch) {}
}

impl Asks for Extension<Scope> {
    fn sketch(_: &mut Sketch) {}
}

impl Asks for HeaderMap {
    fn sketch(_: &mut Sketch) {}
}

impl Asks for Segment {
    /// Its name is in the path.
    fn sketch(sketch: &mut Sketch) {
        sketch.failures.insert(ErrorCode::BadRequest);
    }
}

impl Asks for InTrace {
    fn sketch(sketch: &mut Sketch) {
        sketch.failures.insert(ErrorCode::BadRequest);
        let parameter = ParameterBuilder::new()
            .name(TRACE_PARENT_HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("W3C Trace Context, in which the target's application gets the request."))
            .schema(Some(text()));
        sketch.parameters.push(parameter.build());
    }
}

impl<T: IntoParams> Asks for Parameters<T> {
    fn sketch(sketch: &mut Sketch) {
        sketch.failures.insert(ErrorCode::BadRequest);
        sketch.parameters.extend(T::into_params(|| Some(ParameterIn::Query)));
    }
}

impl<T: IntoParams> Asks for Pairs<T> {
    fn sketch(sketch: &mut Sketch) {
        <Parameters<T> as Asks>::sketch(sketch);
    }
}

impl<T: Shown> Asks for JsonBody<T> {
    fn sketch(sketch: &mut Sketch) {
        sketch.failures.insert(ErrorCode::BadRequest);
        let content = Content::new(Some(T::show(sketch)));
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        sketch.request = Some(body.build());
    }
}

impl Asks for Body {
    fn sketch(sketch: &mut Sketch) {
        sketch.failures.extend([ErrorCode::BadRequest, ErrorCode::TooLarge]);
        let body = RequestBodyBuilder::new().content("application/octet-stream", Content::new(Some(bytes())));
        sketch.request = Some(body.description(Some("The message, any bytes.")).build());
    }
}

/// What a handler answers.
pub(crate) trait Answers {
    fn sketch(sketch: &mut Sketch);
}

impl<T: Answers> Answers for Result<T, Failure> {
    /// Which failures there are says the table of routes.
    fn sketch(sketch: &mut Sketch) {
        T::sketch(sketch);
    }
}

impl<T: Answers> Answers for (Extension<Act>, T) {
    fn sketch(sketch: &mut Sketch) {
        T::sketch(sketch);
    }
}

impl<T: Shown> Answers for Json<T> {
    fn sketch(sketch: &mut Sketch) {
        let schema = T::show(sketch);
        sketch.answer(StatusCode::OK, "application/json", schema, "Done.");
    }
}

impl<T: Shown> Answers for Lines<T> {
    fn sketch(sketch: &mut Sketch) {
        let schema = T::show(sketch);
        sketch.answer(StatusCode::OK, Self::CONTENT_TYPE, schema, "A line of JSON for each, without end.");
    }
}

impl Answers for Events {
    fn sketch(sketch: &mut Sketch) {
        let words = "Server-sent events, without end: `links`, `topology`, `topics`, `traffic`, `refusals`, `lifetimes` and \
                     `status`, each when it is not what it was; the data is what the route of that name answers, \
                     of topics `TopicCount`s.";
        api::TopicCount::show(sketch);
        sketch.answer(StatusCode::OK, "text/event-stream", text(), words);
    }
}

impl Answers for Numbers {
    fn sketch(sketch: &mut Sketch) {
        sketch.answer(StatusCode::OK, nuncio_metrics::CONTENT_TYPE, text(), "Every metric now.");
    }
}

impl Answers for Judged {
    fn sketch(sketch: &mut Sketch) {
        for (status, words) in
            [(StatusCode::OK, "All is well."), (StatusCode::SERVICE_UNAVAILABLE, "A check does not hold.")]
        {
            let schema = api::Health::show(sketch);
            sketch.answer(status, "application/json", schema, words);
        }
    }
}

impl Answers for Done {
    fn sketch(sketch: &mut Sketch) {
        sketch.answers.push((StatusCode::NO_CONTENT, ResponseBuilder::new().description("Done.").build()));
    }
}

impl Answers for Reply {
    fn sketch(sketch: &mut Sketch) {
        let number = |words: &str| {
            let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
            HeaderBuilder::new().schema(Some(number)).description(Some(words)).build()
        };
        let answer = ResponseBuilder::new()
            .description("The reply of the target's application, any bytes.")
            .content("application/octet-stream", Content::new(Some(bytes())))
            .header(RTT_HEADER, number("Microseconds from request to reply."))
            .header(HOPS_HEADER, number("Links that the reply crossed."));
        sketch.answers.push((StatusCode::OK, answer.build()));
    }
}

/// What JSON holds: its schema, which is noted by its name.
pub(crate) trait Shown {
    fn show(sketch: &mut Sketch) -> RefOr<Schema>;
}

impl<T: Shown> Shown for Vec<T> {
    fn show(sketch: &mut Sketch) -> RefOr<Schema> {
        ArrayBuilder::new().items(T::show(sketch)).into()
    }
}

impl Shown for serde_json::Value {
    fn show(_: &mut Sketch) -> RefOr<Schema> {
        ObjectBuilder::new().into()
    }
}

macro_rules! shown {
    ($($name:ident)+) => {
        $(impl Shown for api::$name {
            fn show(sketch: &mut Sketch) -> RefOr<Schema> {
                sketch.schemas.push((Self::name().into_owned(), Self::schema()));
                Self::schemas(&mut sketch.schemas);
                RefOr::Ref(Ref::from_schema_name(Self::name()))
            }
        })+
    };
}

shown! {
    AccessChange AccessEntry AuditEvent AuditStatus ConfigurationKey DeniedTopic Ending Failure FileOffer FileProgress Health Info LogLevel Message Node
    NodeCertificate Peer PeerAddress Published ReceivedFile Refusals Route SdkCertificate SdksAt Status Topic TopicCount Topology Trace Traffic
}

fn bytes() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).content_media_type("application/octet-stream").into()
}

fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).into()
}
