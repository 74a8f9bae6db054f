// A real OpenID provider with one client and one user, who signs in without being asked.
//
//   provider.cjs PORT
//
// POST /test/rotate replaces its key.
const { createServer } = require('node:http');
const { generateKeyPairSync, randomUUID } = require('node:crypto');
const { pathToFileURL } = require('node:url');

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

function key() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

function configuration() {
  return {
    jwks: { keys: [key()] },
    clients: [{
      client_id: 'livekit',
      token_endpoint_auth_method: 'none',
      redirect_uris: [`${issuer}/callback`],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    }],
    claims: { openid: ['sub'], profile: ['name', 'groups', 'plan'] },
    // Claims of the scope stand in the ID token, as they do at most providers.
    conformIdTokenClaims: false,
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: 'Ann', groups: ['staff'], plan: 'gold' }),
    }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    features: { devInteractions: { enabled: false } },
    cookies: { keys: [randomUUID()] },
    ttl: { IdToken: 300, AccessToken: 300, Grant: 300, Interaction: 300, Session: 300, AuthorizationCode: 60 },
  };
}

async function signIn(provider, request, response) {
  const { params } = await provider.interactionDetails(request, response);
  const grant = new provider.Grant({ accountId: 'ann', clientId: params.client_id });
  grant.addOIDCScope('openid profile');
  const result = { login: { accountId: 'ann' }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

async function main() {
  const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
  let provider = new Provider(issuer, configuration());
  createServer((request, response) => {
    if (request.url === '/test/rotate') {
      provider = new Provider(issuer, configuration());
      response.writeHead(204).end();
    } else if (request.url.startsWith('/interaction/')) {
      signIn(provider, request, response).catch((error) => response.writeHead(500).end(String(error)));
    } else {
      provider.callback()(request, response);
    }
  }).listen(port, '127.0.0.1');
}

main();
