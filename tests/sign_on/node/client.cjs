// LiveKit's client SDK with a token endpoint.
//
//   client.cjs ENDPOINT USER_TOKEN
//
// Prints what it fetched: twice in a row, then once more when the first token is too old.
const { TokenSource } = require('livekit-client');

async function main() {
  const [endpoint, userToken] = process.argv.slice(2);
  const source = TokenSource.endpoint(endpoint, { headers: { Authorization: `Bearer ${userToken}` } });
  const fetch = () => source.fetch({ roomName: 'web-9', participantName: 'Ann', agentName: 'helper' });
  const first = await fetch();
  const second = await fetch();
  let third = second;
  while (third.participantToken === first.participantToken) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    third = await fetch();
  }
  console.log(JSON.stringify([first, second, third]));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
