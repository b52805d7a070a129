use futures::{executor::block_on, io::Cursor};

use nuncio_wire::verdict::Protocol;

use super::*;

#[test]
fn a_verdict_is_read_back() {
    let verdict = Verdict {
        network: "chain".to_owned(),
        max_body: 7,
        refusal: Some("certificate has expired".to_owned()),
        protocol: Protocol::of_this_release(),
    };
    let mut stream = Cursor::new(Vec::new());
    block_on(send(&mut stream, &verdict)).unwrap();
    stream.set_position(0);
    assert_eq!(block_on(receive(&mut stream)).unwrap(), verdict);
}

#[test]
fn a_length_over_the_limit_is_refused_before_the_bytes_come() {
    let mut stream = Cursor::new(vec![0xff, 0xff]);
    assert!(matches!(
        block_on(receive(&mut stream)),
        Err(ReceiveError::Invalid(DecodeError::TooLarge { bytes: 65_535, .. }))
    ));
}

#[test]
fn an_end_inside_a_verdict_is_an_end() {
    let mut stream = Cursor::new(vec![0, 9, 1]);
    let Err(ReceiveError::Io(error)) = block_on(receive(&mut stream)) else { panic!("half a verdict was read") };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
