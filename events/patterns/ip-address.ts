/**
 * IP addresses and the blocks that `cidr` names.
 *
 * An address is known by its bytes in hexadecimal, so that `::1` and `0:0:0:0:0:0:0:1` are one. An octet
 * with a leading zero is refused: some read `010` as eight, others as ten.
 */

/** @returns 8 hexadecimal digits for version 4, 32 for version 6; undefined for what is no address. */
function addressDigits(text: string): string | undefined {
  // The longest is 39 characters; a longer text is not looked at.
  if (text.length > 39 || text.length < 2) return undefined
  return text.includes(':') ? version6(text) : version4(text)
}

function version4(text: string): string | undefined {
  const octets = text.split('.')
  if (octets.length !== 4) return undefined
  let digits = ''
  for (const octet of octets) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(octet) || Number(octet) > 255) return undefined
    digits += Number(octet).toString(16).padStart(2, '0')
  }
  return digits
}

function version6(text: string): string | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0]!)
  const tail = groupsOf(halves[1] ?? '')
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  // `::` stands for at least one group.
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const digits = [...head, ...Array<string>(missing).fill('0000'), ...tail].join('')
  // An address of version 4 in the clothes of version 6.
  return digits.startsWith('00000000000000000000ffff') ? digits.slice(24) : digits
}

function groupsOf(half: string): readonly string[] | undefined {
  if (half === '') return []
  const groups = half.split(':')
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined
  return groups.map((group) => group.toLowerCase().padStart(4, '0'))
}

/** Both ends belong to the block; compared as texts of equal length. */
export interface Block {
  readonly first: string
  readonly last: string
}

/** Thrown for a block that is none; the caller adds where it stands. */
export class BlockError extends Error {}

/** @throws BlockError for what is no block; as with EventBridge it holds at least two addresses. */
export function blockOf(text: string): Block {
  const [address, bitsText, ...more] = text.split('/')
  if (bitsText === undefined || more.length > 0) throw new BlockError('expected an address, one / and bits')
  const digits = addressDigits(address!)
  if (digits === undefined) throw new BlockError(`${JSON.stringify(address)} is no IP address`)
  const bitsMax = digits.length * 4 - 1
  if (!/^[0-9]{1,3}$/.test(bitsText) || Number(bitsText) > bitsMax) {
    throw new BlockError(`the bits must be a whole number from 0 to ${bitsMax}`)
  }
  const free = (1n << BigInt(digits.length * 4 - Number(bitsText))) - 1n
  const base = BigInt(`0x${digits}`)
  const hex = (value: bigint) => value.toString(16).padStart(digits.length, '0')
  return { first: hex(base & ~free), last: hex(base | free) }
}

export function blockTest({ first, last }: Block): (text: string) => boolean {
  return (text) => {
    const digits = addressDigits(text)
    return digits !== undefined && digits.length === first.length && digits >= first && digits <= last
  }
}
