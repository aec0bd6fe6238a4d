/** Addresses of lines: WebSocket URLs, and nothing else. */

import { LineAddressError } from "./errors.js";

export const ADDRESS_CHARS_MAX = 512;

/** The URL of a line, or LineAddressError. */
export function lineAddress(text: string): URL {
  const shown = text.length > 80 ? `${text.slice(0, 80)}...` : text;
  if (text.length > ADDRESS_CHARS_MAX) throw new LineAddressError(`"${shown}" is too long for an address.`);
  if (!/^wss?:\/\//i.test(text)) throw new LineAddressError(`"${shown}" is not an address of a line.`);
  // What a URL parser would silently repair or leave out is a slip of whoever wrote it.
  const isPrintable = /^[\x21-\x7e]*$/.test(text);
  if (!isPrintable || !URL.canParse(text)) throw new LineAddressError(`"${shown}" is not an address.`);
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw new LineAddressError("The address has a name or a password in it, and a line knows neither.");
  }
  if (url.hash !== "" || text.includes("#")) throw new LineAddressError(`"${shown}" points into a page with "#".`);
  return url;
}
