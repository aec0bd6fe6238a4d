// A server of articles for a tenth of a cent each, paid with token halves over HTTP 402.
//   node examples/article-server.mjs shop.json
// The file says who the shop is and whose tokens it takes: { "signatureSeed", "agreementSecret", "root": { "tree", "id", "publicKey" },
// "issuers": [{ "chain", "url" }], "database", "port" }, bytes in hex.
import { readFileSync } from "node:fs";
import { fromHex, MintClient, openSeller, serveSeller } from "tallystick";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const seller = await openSeller(config.database, {
  keys: { signatureSeed: fromHex(config.signatureSeed), agreementSecret: fromHex(config.agreementSecret) },
  root: { tree: config.root.tree, id: fromHex(config.root.id), publicKey: fromHex(config.root.publicKey) },
  issuers: config.issuers.map(({ chain, url }) => ({ chain: fromHex(chain), line: new MintClient(url) })),
});
const TENTH_OF_A_CENT = { unit: { currency: 840, exponent: 4 }, price: 10n };
const server = await serveSeller(seller, {
  port: config.port,
  price: (request) => (request.url.startsWith("/articles/") ? TENTH_OF_A_CENT : undefined),
  handler: (request, response) => response.end(`You read ${request.url}.\n`),
});
console.log(`Articles at ${server.url}/articles/1, USD 0.0010 each. Ctrl-C ends it.`);
setInterval(() => seller.redeem().then(() => seller.collect()), 60_000).unref();
process.once("SIGINT", () => server.close().then(() => process.exit(0)));
