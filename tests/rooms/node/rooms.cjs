// Holds rooms over a cluster with LiveKit's own SDK until it is told to end by SIGTERM, and counts what went wrong.
//
//   rooms.cjs SETTING    {"nodes": ["http://..."], "sockets": ["/path/sign.sock"], "rooms": 4, "members": 2}
'use strict';
const http = require('node:http');
const { Room, RoomEvent } = require('@livekit/rtc-node');

const setting = JSON.parse(process.argv[2]);
const JOIN_EVERY = 1000;
const VISIT = 4000;
const SWEEP = 1000;

const count = {
  joins: 0, joins_refused: 0, joins_failed: 0, sessions: 0, reconnecting: 0, reconnected: 0, dropped: 0,
  refresh_tokens: 0, shown_at_receipt: 0, missed_at_receipt: 0, shown_later: 0, missed_later: 0,
};
const reasons = {};
const failures = {};
const members = new Set();
let ending = false;

const pick = (list) => list[Math.floor(Math.random() * list.length)];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const tally = (into, what) => { into[what] = (into[what] ?? 0) + 1; };

// A status, or 0 when nobody answers.
function status(url, headers) {
  return new Promise((done) => {
    const request = http.get(url, { headers, timeout: 2000 }, (answer) => {
      answer.resume();
      done(answer.statusCode);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => done(0));
  });
}

const verdict = (node, token) => status(`${node}/rtc/validate`, { authorization: `Bearer ${token}` });

function mint(identity, room) {
  const body = JSON.stringify({ identity, room, grants: { video: { roomJoin: true } } });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((done, fail) => {
    const options = { socketPath: pick(setting.sockets), path: '/v1/tokens', method: 'POST', headers };
    const request = http.request(options, (answer) => {
      let text = '';
      answer.on('data', (part) => { text += part; });
      answer.on('end', () => (answer.statusCode === 201 ? done(JSON.parse(text).token) : fail(new Error(`signer: ${answer.statusCode}`))));
    });
    request.on('error', fail);
    request.end(body);
  });
}

async function nodeThatAnswers() {
  for (;;) {
    const node = pick(setting.nodes);
    if (await status(node, {}) === 200) return node;
    await pause(50);
  }
}

async function show(token, at, shown, missed) {
  await Promise.all(setting.nodes.filter((node) => node !== at).map(async (node) => {
    const answer = await verdict(node, token);
    if (answer === 0) return;
    count[shown] += 1;
    if (answer !== 200) count[missed] += 1;
  }));
}

// A session that has joined, or nothing.
async function join(identity, name) {
  const [token, node] = await Promise.all([mint(identity, name), nodeThatAnswers()]);
  const room = new Room();
  const session = { room, node, gone: false };
  session.ended = new Promise((done) => room.on(RoomEvent.Disconnected, (reason) => done(reason)));
  room.on(RoomEvent.Reconnecting, () => { count.reconnecting += 1; });
  room.on(RoomEvent.Reconnected, () => { count.reconnected += 1; });
  room.on(RoomEvent.TokenRefreshed, () => {
    session.refreshed = room.token;
    count.refresh_tokens += 1;
    void show(room.token, node, 'shown_at_receipt', 'missed_at_receipt');
  });
  count.joins += 1;
  try {
    await room.connect(node.replace('http', 'ws'), token, { autoSubscribe: true });
  } catch (error) {
    // The SDK's words differ; what a node says of the token does not.
    const refused = (await verdict(node, token)) === 401;
    count[refused ? 'joins_refused' : 'joins_failed'] += 1;
    tally(failures, String(error.message).slice(0, 120));
    return undefined;
  }
  return session;
}

// Stays for as long as it can, and comes back with a new token when it was dropped.
async function member(identity, name) {
  while (!ending) {
    const session = await join(identity, name).catch(() => undefined);
    if (session === undefined) {
      await pause(500);
      continue;
    }
    count.sessions += 1;
    members.add(session);
    const reason = await session.ended;
    members.delete(session);
    if (!ending) {
      count.dropped += 1;
      tally(reasons, String(reason));
    }
  }
}

async function visitor(identity, name) {
  const session = await join(identity, name).catch(() => undefined);
  if (session === undefined) return;
  await pause(VISIT);
  await session.room.disconnect();
}

for (let room = 0; room < setting.rooms; room += 1) {
  for (let place = 0; place < setting.members; place += 1) void member(`member-${room}-${place}`, `room-${room}`);
}
let visits = 0;
setInterval(() => {
  visits += 1;
  void visitor(`visitor-${visits}`, `room-${visits % setting.rooms}`).catch(() => undefined);
}, JOIN_EVERY);
// What a session would show at another node if it had to resume now.
setInterval(() => {
  for (const session of members) {
    if (session.refreshed !== undefined) void show(session.refreshed, undefined, 'shown_later', 'missed_later');
  }
}, SWEEP);

process.on('SIGTERM', () => {
  ending = true;
  process.stdout.write(`\nRESULT ${JSON.stringify({ ...count, members: members.size, reasons, failures })}\n`, () => process.exit(0));
});
console.log('started');
