/** The home's issuers of token halves, and a seller, as servers. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { checkPublic, publicAddress } from "../communications/address.js";
import type { ServerPlace } from "../servers/bank-server.js";
import { MintServer } from "../tokens/http/mint-server.js";
import type { Offer } from "../tokens/http/paywall.js";
import { paymentOf } from "../tokens/http/paywall.js";
import { serveSeller } from "../tokens/http/serve-seller.js";
import type { Accepted, Seller } from "../tokens/seller.js";
import { parseDecimal } from "../units.js";
import { ARTICLES, type Article } from "./newspaper.js";
import type { Served } from "./serve.js";
import type { Site } from "./site.js";
import { HomeTokens, type IssuerName, TOKEN_UNIT } from "./tokens.js";

export interface ServedMint extends Served {
  /** Of the authorization service. */
  readonly clearanceUrl: string;
}

/** The mint and the authorization service. */
export async function serveMint(
  site: Site,
  place: ServerPlace & { readonly clearancePort?: number } = {},
): Promise<ServedMint> {
  checkPublic(place);
  const tokens = await HomeTokens.open(site);
  const { home } = site.parts;
  const opened: MintServer[] = [];
  const open = async (name: IssuerName, at: ServerPlace) => {
    const server = await MintServer.open(await tokens.mint(name), at);
    opened.push(server);
    home.announce(name, server.url);
    return server.url;
  };
  const close = async () => {
    for (const server of opened) await server.close();
    await tokens.close();
  };
  const { host, clearancePort } = place;
  const beside = {
    ...(host === undefined ? {} : { host }),
    ...(clearancePort === undefined ? {} : { port: clearancePort }),
  };
  try {
    const url = await open("mint", place);
    const clearanceUrl = await open("clearance", beside);
    return { url, clearanceUrl, close };
  } catch (error) {
    await close();
    throw error;
  }
}

export interface ServedSeller extends Served {
  readonly title: string;
  readonly seller: Seller;
}

/** What a seller's customers do. */
export interface SellerEvents {
  readonly onSold?: (article: Article, accepted: Accepted) => void;
}

/** The newspaper: articles for token halves. What it earned it redeems when it is closed. */
export async function serveNewspaper(
  tokens: HomeTokens,
  name: string,
  place: ServerPlace = {},
  { onSold = () => undefined }: SellerEvents = {},
): Promise<ServedSeller> {
  checkPublic(place);
  const record = tokens.sellerRecord(name);
  const seller = await tokens.seller(record.name);
  const server = await serveSeller(seller, {
    ...place,
    price: (request) => offerOf(articleOf(request)),
    handler: (request, response) => answer(request, response, record.title, onSold),
  });
  const url = publicAddress(server.url, place.publicUrl);
  tokens.site.parts.home.announce(`seller-${record.name}`, server.url, url);
  const close = async () => {
    await server.close();
    await tokens.close();
  };
  return { url, title: record.title, seller, close };
}

function articleOf(request: IncomingMessage): Article | undefined {
  const [path] = (request.url ?? "").split("?");
  return request.method === "GET" ? ARTICLES.find((article) => article.path === path) : undefined;
}

function offerOf(article: Article | undefined): Offer | undefined {
  if (article === undefined) return undefined;
  const { price, assertion } = article;
  return {
    unit: TOKEN_UNIT,
    price: parseDecimal(price, TOKEN_UNIT.exponent),
    ...(assertion === undefined ? {} : { assertion }),
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  title: string,
  onSold: NonNullable<SellerEvents["onSold"]>,
): void {
  const article = articleOf(request);
  const accepted = paymentOf(request);
  if (article !== undefined && accepted?.first === true) onSold(article, accepted);
  const text = article === undefined ? contents(title) : `${article.title}\n\n${article.text}\n`;
  const isThere = article !== undefined || /^\/(\?|$)/.test(request.url ?? "");
  response.writeHead(isThere ? 200 : 404, { "content-type": "text/plain; charset=utf-8" });
  response.end(isThere ? text : `There is no such article.\n\n${text}`);
}

function contents(title: string): string {
  const lines = ARTICLES.map(({ path, price, title: headline, assertion }) => {
    return `${path.padEnd(16)} USD ${price}  ${headline}${assertion === undefined ? "" : ` (${assertion})`}`;
  });
  return `${title}\n\n${lines.join("\n")}\n`;
}
