// A user's browser and the application behind it: the authorization code flow with PKCE, once.
//
//   user.cjs ISSUER
//
// Prints the ID token.
const { createHash, randomBytes } = require('node:crypto');

const issuer = process.argv[2];
const callback = `${issuer}/callback`;
const cookies = new Map();

async function browse(url) {
  for (let step = 0; step < 10; step += 1) {
    if (url.startsWith(callback)) return new URL(url).searchParams;
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split('=');
      cookies.set(name, value);
    }
    const next = answer.headers.get('location');
    if (!next) throw new Error(`${url} gave ${answer.status}: ${await answer.text()}`);
    url = new URL(next, url).href;
  }
  throw new Error('redirected for ever');
}

async function main() {
  const discovery = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const verifier = randomBytes(32).toString('base64url');
  const asked = new URLSearchParams({
    client_id: 'livekit',
    redirect_uri: callback,
    response_type: 'code',
    scope: 'openid profile',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const answer = await browse(`${discovery.authorization_endpoint}?${asked}`);
  const code = answer.get('code');
  if (!code) throw new Error(`no code: ${answer}`);
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    client_id: 'livekit',
    redirect_uri: callback,
    code,
    code_verifier: verifier,
  });
  const tokens = await (await fetch(discovery.token_endpoint, { method: 'POST', body })).json();
  if (!tokens.id_token) throw new Error(JSON.stringify(tokens));
  console.log(JSON.stringify(tokens));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
