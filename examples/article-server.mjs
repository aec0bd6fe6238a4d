// A server of articles that cost a fifth of a cent each, paid with token halves over HTTP 402.
//   node examples/article-server.mjs ./world gazette 8402
import { createServer } from "node:http";
import { openShop, parseMoney, paywall } from "tallystick";

const [home = "./world", name = "gazette", port = "8402"] = process.argv.slice(2);
const shop = await openShop(home, name);
const { amount: price, unit } = parseMoney("USD 0.002", 2); // two decimals more than dollars have
const wall = paywall(shop.seller, { price: ({ url }) => (url.startsWith("/articles/") ? { price, unit } : undefined) });
const server = createServer((request, response) => {
  wall(request, response, () => response.end(`You read ${request.url}.\n`));
});
server.listen(Number(port), "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  shop.announce(url); // buyers find it there to ask for tokens
  console.log(`${shop.title}: articles at ${url}/articles/1. Ctrl-C ends it.`);
});
process.once("SIGINT", async () => {
  server.closeAllConnections();
  server.close();
  await shop.seller.redeem();
  await shop.close();
});
