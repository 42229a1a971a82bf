/** Whether a host, as a URL has it, is this machine. A name is not looked up: only `localhost` is known. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
}
