//! What nodes ask each other themselves, and the answers: bodies of unicasts that no application sees.

use bytes::Bytes;
use nuncio_protocol::{MAX_QUESTION, MAX_SERVICE_BODY};
use prost::Message as _;

use crate::{
    DecodeError,
    proto::{self, service_answer, service_request},
};

mod file;

pub use file::{FileChunk, FileOffer, FileProgress, FileState, MAX_FILE_NAME};

/// Most certificates in a chain.
pub const MAX_CHAIN: usize = 8;

/// Most issuers of SDKs' certificates that one answer names.
pub const MAX_ISSUERS: usize = 16;

/// Longest words of a refusal, in bytes.
pub const MAX_WORDS: usize = 1024;

/// Longest message of a newcomer, in bytes, and its longest secret.
pub const MAX_ENROLMENT: usize = 16 << 10;
const MAX_SECRET: usize = 64;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Another certificate for the key, the name and the role of the one there is.
    Renewal {
        /// A certificate request, DER.
        request: Bytes,
        /// The certificate there is and what stands above it, DER, its own first; at most [`MAX_CHAIN`].
        chain: Vec<Bytes>,
    },
    /// Below which authorities the SDKs stand that have sessions at the asked node.
    SdkAuthorities,
    /// That a file be taken.
    FileOffer(FileOffer),
    /// That a piece of a file be taken; only for a node that has accepted it.
    FileChunk(FileChunk),
    /// Whether the node is there.
    Probe,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The new certificate and what stands above it, DER, its own first; at most [`MAX_CHAIN`].
    Renewed {
        /// All of them.
        chain: Vec<Bytes>,
    },
    /// Nothing was done.
    Refused {
        /// Why, in words of the other side; at most [`MAX_WORDS`], the rest is cut.
        reason: String,
    },
    /// To [`Request::SdkAuthorities`].
    SdkIssuers {
        /// At most [`MAX_ISSUERS`].
        issuers: Vec<SdkIssuer>,
        /// Sessions of which no issuer is named, since there is no room for it.
        others: u32,
    },
    /// To [`Request::FileOffer`] and [`Request::FileChunk`].
    FileProgress(FileProgress),
    /// To [`Request::Probe`].
    Probed,
}

/// Who issued certificates of SDKs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdkIssuer {
    /// It, and who issued it, up to the authority that the node trusts, DER; at most [`MAX_CHAIN`].
    pub chain: Vec<Bytes>,
    /// Sessions under such certificates.
    pub sessions: u32,
}

impl Request {
    /// The body of the request.
    pub fn encode(&self) -> Bytes {
        let wanted = match self {
            Self::Renewal { request, chain } => {
                service_request::Wanted::Renewal(proto::Renewal { request: request.clone(), chain: chain.clone() })
            }
            Self::SdkAuthorities => service_request::Wanted::SdkAuthorities(proto::SdkAuthorities {}),
            Self::FileOffer(offer) => service_request::Wanted::FileOffer(offer.clone().into_proto()),
            Self::FileChunk(chunk) => service_request::Wanted::FileChunk(chunk.clone().into_proto()),
            Self::Probe => service_request::Wanted::Probe(proto::Probe {}),
        };
        proto::ServiceRequest { wanted: Some(wanted) }.encode_to_vec().into()
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    /// When it is none, asks what this release does not know, or is too long.
    pub fn decode(body: Bytes) -> Result<Self, DecodeError> {
        let bytes = body.len();
        bounded("service request", bytes, MAX_SERVICE_BODY)?;
        let read = proto::ServiceRequest::decode(body);
        let read = read.map_err(|source| DecodeError::Protobuf { message: "service request", source })?;
        if !matches!(read.wanted, Some(service_request::Wanted::FileChunk(_))) {
            bounded("question", bytes, MAX_QUESTION)?;
        }
        match read.wanted {
            Some(service_request::Wanted::Renewal(proto::Renewal { request, chain })) => {
                bounded("certificates", chain.len(), MAX_CHAIN)?;
                Ok(Self::Renewal { request, chain })
            }
            Some(service_request::Wanted::SdkAuthorities(proto::SdkAuthorities {})) => Ok(Self::SdkAuthorities),
            Some(service_request::Wanted::FileOffer(offer)) => FileOffer::from_proto(offer).map(Self::FileOffer),
            Some(service_request::Wanted::FileChunk(chunk)) => FileChunk::from_proto(chunk).map(Self::FileChunk),
            Some(service_request::Wanted::Probe(proto::Probe {})) => Ok(Self::Probe),
            None => Err(DecodeError::Field { field: "wanted" }),
        }
    }
}

impl Answer {
    /// The body of the answer.
    pub fn encode(&self) -> Bytes {
        let answer = match self {
            Self::Renewed { chain } => service_answer::Answer::Renewed(proto::Renewed { chain: chain.clone() }),
            Self::Refused { reason } => {
                service_answer::Answer::Refused(reason[..reason.floor_char_boundary(MAX_WORDS)].to_owned())
            }
            Self::SdkIssuers { issuers, others } => {
                let issuers = issuers.iter().cloned().map(SdkIssuer::into_proto).collect();
                service_answer::Answer::SdkIssuers(proto::SdkIssuers { issuers, others: *others })
            }
            Self::FileProgress(progress) => service_answer::Answer::FileProgress(progress.into_proto()),
            Self::Probed => service_answer::Answer::Probed(proto::Probe {}),
        };
        proto::ServiceAnswer { answer: Some(answer) }.encode_to_vec().into()
    }

    /// Reads the body of an answer.
    ///
    /// # Errors
    /// When it is none, or too long.
    pub fn decode(body: Bytes) -> Result<Self, DecodeError> {
        bounded("service answer", body.len(), MAX_QUESTION)?;
        let read = proto::ServiceAnswer::decode(body);
        let read = read.map_err(|source| DecodeError::Protobuf { message: "service answer", source })?;
        match read.answer {
            Some(service_answer::Answer::Renewed(proto::Renewed { chain })) => {
                bounded("certificates", chain.len(), MAX_CHAIN)?;
                Ok(Self::Renewed { chain })
            }
            Some(service_answer::Answer::Refused(reason)) => {
                bounded("words", reason.len(), MAX_WORDS)?;
                Ok(Self::Refused { reason })
            }
            Some(service_answer::Answer::SdkIssuers(proto::SdkIssuers { issuers, others })) => {
                bounded("issuers", issuers.len(), MAX_ISSUERS)?;
                let issuers = issuers.into_iter().map(SdkIssuer::from_proto).collect::<Result<_, _>>()?;
                Ok(Self::SdkIssuers { issuers, others })
            }
            Some(service_answer::Answer::FileProgress(progress)) => {
                FileProgress::from_proto(progress).map(Self::FileProgress)
            }
            Some(service_answer::Answer::Probed(proto::Probe {})) => Ok(Self::Probed),
            None => Err(DecodeError::Field { field: "answer" }),
        }
    }
}

impl SdkIssuer {
    fn into_proto(self) -> proto::SdkIssuer {
        proto::SdkIssuer { chain: self.chain, sessions: self.sessions }
    }

    fn from_proto(proto::SdkIssuer { chain, sessions }: proto::SdkIssuer) -> Result<Self, DecodeError> {
        bounded("certificates", chain.len(), MAX_CHAIN)?;
        Ok(Self { chain, sessions })
    }
}

/// A newcomer's first words on the enrolment port; its answer is an [`Answer`].
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Which invitation.
    pub invitation: [u8; 16],
    /// What proves that it was given to whoever asks.
    pub secret: Bytes,
    /// A certificate request, DER.
    pub request: Bytes,
}

impl Enrolment {
    /// The message.
    pub fn encode(&self) -> Bytes {
        let Self { invitation, secret, request } = self.clone();
        let invitation = Bytes::copy_from_slice(&invitation);
        proto::Enrolment { invitation, secret, request }.encode_to_vec().into()
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is none, or too long.
    pub fn decode(message: Bytes) -> Result<Self, DecodeError> {
        bounded("enrolment", message.len(), MAX_ENROLMENT)?;
        let read = proto::Enrolment::decode(message);
        let proto::Enrolment { invitation, secret, request } =
            read.map_err(|source| DecodeError::Protobuf { message: "enrolment", source })?;
        bounded("secret", secret.len(), MAX_SECRET)?;
        let invitation = invitation[..].try_into().map_err(|_| DecodeError::Field { field: "invitation" })?;
        Ok(Self { invitation, secret, request })
    }
}

/// The secret is not shown.
impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrolment").field("invitation", &self.invitation).finish_non_exhaustive()
    }
}

fn bounded(what: &'static str, bytes: usize, limit: usize) -> Result<(), DecodeError> {
    if bytes > limit { Err(DecodeError::TooLarge { what, bytes, limit }) } else { Ok(()) }
}
