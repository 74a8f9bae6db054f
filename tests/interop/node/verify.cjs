// Finds its package through NODE_PATH, since packages lie outside of the checkout.
const { TokenVerifier } = require('livekit-server-sdk');
const readline = require('node:readline');

async function answer(line) {
  const { token, key, secret } = JSON.parse(line);
  try {
    return { claims: await new TokenVerifier(key, secret).verify(token) };
  } catch (error) {
    return { error: String(error) };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(line)));
  }
})();
