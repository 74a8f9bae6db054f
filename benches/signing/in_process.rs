//! What jsonwebtoken alone does on all cores, without a socket.

use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header};

use crate::baseline::{Claims, Video, seconds};

/// Tokens a second over all cores.
pub(crate) fn jsonwebtoken_rate(lasts: Duration) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads: Vec<_> = (0..cores).map(|_| std::thread::spawn(move || loop_for(lasts))).collect();
    threads.into_iter().map(|thread| thread.join().expect("a loop to its end")).sum()
}

fn loop_for(lasts: Duration) -> f64 {
    let key = EncodingKey::from_secret(&[b's'; 43]);
    let header = Header::new(Algorithm::HS256);
    let began = Instant::now();
    let mut made = 0u64;
    while began.elapsed() < lasts {
        for _ in 0..100 {
            let now = seconds();
            let video = Video { room_join: true, room: "demo".to_owned() };
            let (iss, sub) = ("APIbaseline".to_owned(), "alice".to_owned());
            let claims = Claims { iss, sub, nbf: now, exp: now + 900, video };
            std::hint::black_box(jsonwebtoken::encode(&header, &claims, &key).expect("a token"));
        }
        made += 100;
    }
    made as f64 / began.elapsed().as_secs_f64()
}
