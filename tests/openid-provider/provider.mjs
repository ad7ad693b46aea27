// The certified provider for the tests: `node provider.mjs '{"clients": […]}'`.
//
// Says `{"issuer": "…"}` on a line of its own when it is ready, and ends when its standard input
// does, so that no test leaves it behind. Users sign in with any name and any password. For the
// tests alone, `POST /test/sign` signs what is posted with the provider's own key, and
// `POST /test/answer` says what is answered at a path from then on, since the provider itself cannot be
// made to fail.
import { createServer, request } from 'node:http';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { CompactSign } from 'jose';

// It warns of what it is configured to be here: a provider for development.
const say = console.log;
console.log = console.info = console.warn = () => {};
const { Provider } = await import('oidc-provider');

const { clients, port = 0, kid = 'key-1', ttl = {}, userInfo = true } = JSON.parse(process.argv[2]);
// Not the pair's own key object: while Node.js 20 exports that one, a collection of the generator's
// garbage waits for the lock that the export holds, once in a hundred times and then for ever.
const { privateKey: pem } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const privateKey = createPrivateKey(pem);
const scopes = 'openid profile email';

// The provider calls the host at names below `localhost`, which not every resolver knows, and at
// loopback addresses, which its own client refuses.
function fetchFromThisMachine(url, { method = 'GET', headers = {}, body } = {}) {
  const { hostname, host, port: toPort, pathname, search } = new URL(url);
  if (hostname !== '127.0.0.1' && !hostname.endsWith('.localhost')) {
    throw new Error(`the tests talk to this machine alone, not to ${hostname}`);
  }
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: toPort,
        method,
        path: pathname + search,
        headers: { ...Object.fromEntries(new Headers(headers)), host },
      },
      (answer) => {
        const chunks = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.on('end', () => {
          const text = chunks.length ? Buffer.concat(chunks) : null;
          resolve(new Response(text, { status: answer.statusCode, headers: answer.headers }));
        });
        answer.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : String(body));
  });
}

async function sign(req, res) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const { header, claims } = JSON.parse(Buffer.concat(chunks).toString());
  const payload = new TextEncoder().encode(JSON.stringify(claims));
  const signer = new CompactSign(payload).setProtectedHeader({ alg: 'RS256', kid, ...header });
  res.end(await signer.sign(privateKey));
}

// What is answered at a path in place of the provider's own answer: `{path, status, body, delay}`,
// where `body` is JSON; without a status, the provider's own again.
const answers = {};

// How many requests there were, by path: `GET /test/heard`.
const heard = {};

async function answerFromNowOn(req, res) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const { path, ...instead } = JSON.parse(Buffer.concat(chunks).toString());
  answers[path] = instead.status ? instead : undefined;
  res.end();
}

function respond(res, { status, body, delay = 0 }) {
  setTimeout(() => {
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(body));
  }, delay);
}

const server = createServer();
server.listen(port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['for the tests alone'] },
    claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: `The ${id}`, email: `${id}@example.test` }),
    }),
    features: {
      backchannelLogout: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      userinfo: { enabled: userInfo },
    },
    pkce: { required: () => true },
    // Nobody is asked for consent.
    loadExistingGrant: async ({ oidc }) => {
      const { client, session, result, provider: { Grant } } = oidc;
      const grantId = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
      const known = grantId && (await Grant.find(grantId));
      if (known) return known;
      const grant = new Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope(scopes);
      await grant.save();
      return grant;
    },
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    ttl: { AccessToken: 300, IdToken: 3600, ...ttl },
    fetch: fetchFromThisMachine,
  });
  provider.on('server_error', (_, error) => console.error(error));
  const answer = provider.callback();
  server.on('request', (req, res) => {
    heard[req.url] = (heard[req.url] ?? 0) + 1;
    const instead = answers[req.url];
    if (req.url === '/test/heard') res.end(JSON.stringify(heard));
    else if (req.url === '/test/sign') sign(req, res);
    else if (req.url === '/test/answer') answerFromNowOn(req, res);
    else if (instead) respond(res, instead);
    else answer(req, res);
  });
  say(JSON.stringify({ issuer }));
});

process.stdin.resume();
process.stdin.on('end', () => process.exit());
