/** What a service tells of an error, as it goes into reports: on one line, and not all of it. */
export function boundedMessage(text: string): string {
  const line = text
    .slice(0, 4 * messageMax)
    .replace(/\s+/g, ' ')
    .trim()
  return line.length <= messageMax ? line : `${line.slice(0, messageMax)}…`
}

const messageMax = 400
