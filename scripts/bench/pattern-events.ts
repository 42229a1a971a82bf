/**
 * What the row `patterns` matches: orders as EventBridge delivers them, each JSON of 900 bytes, and rules.
 *
 * Of five rules of a kind about every second event matches one. Of many exact rules an event matches one at most.
 */
export const textBytes = 900

export type RuleKind = 'one' | 'exact' | 'wildcard' | 'numeric' | 'many'

const distinct = 20_000

/** So many texts; after 20,000 they come again. */
export function patternTexts(events: number): readonly string[] {
  const texts = Array.from({ length: Math.min(events, distinct) }, (_, number) => patternText(number))
  return Array.from({ length: events }, (_, number) => texts[number % distinct]!)
}

function patternText(number: number): string {
  const event = {
    version: '0',
    id: `6f87d04b-9f74-4f04-a780-${String(number).padStart(12, '0')}`,
    'detail-type': number % 2 === 0 ? 'order.placed' : 'order.changed',
    source: 'edison.sales',
    account: '123456789012',
    time: '2026-03-01T12:00:00Z',
    region: 'eu-central-1',
    resources: [`arn:aws:sales:eu-central-1:123456789012:order/EC-${String(number).padStart(9, '0')}`],
    detail: {
      external_id: `EC-${String(number).padStart(9, '0')}`,
      price: 20_000 + (number % 40_000) + 0.5,
      paid: number % 3 === 0,
      'source-ip': `10.0.${number % 200}.${number % 250}`,
      customer: {
        id: number % 20_000,
        name: `Customer ${number % 10_000}`,
        city: cities[number % cities.length],
      },
      items: [
        {
          sku: `STRP-${number % 100}`,
          name: `Edison Model ${'STRP'[number % 4]}`,
          quantity: 1 + (number % 3),
        },
        { sku: `TIRE-${number % 10}`, name: 'Winter tires', quantity: 4 },
      ],
      note: '',
    },
  }
  event.detail.note = 'n'.repeat(textBytes - JSON.stringify(event).length)
  return JSON.stringify(event)
}

const cities = ['Berlin', 'Hamburg', 'Jena', 'Leipzig', 'Bremen', 'Dresden', 'Essen', 'Bonn', 'Kiel', 'Trier']

export function rulesOf(kind: RuleKind): readonly unknown[] {
  return ruleMakers[kind]()
}

const ruleMakers: Record<RuleKind, () => readonly unknown[]> = {
  one: () => [{ detail: { external_id: ['EC-000000007'] } }],
  exact: () =>
    fiveOf((index) => ({ 'detail-type': ['order.placed'], detail: { customer: { city: [cities[index]] } } })),
  wildcard: () => fiveOf((index) => ({ detail: { items: { sku: [{ wildcard: `S*-*${index}` }] } } })),
  numeric: () =>
    fiveOf((index) => ({
      detail: { price: [{ numeric: ['>=', 20_000 + index * 8_000, '<', 24_000 + index * 8_000] }] },
    })),
  many: () =>
    Array.from({ length: 10_000 }, (_, index) => ({
      detail: { external_id: [`EC-${String(index * 7).padStart(9, '0')}`] },
    })),
}

function fiveOf(make: (index: number) => unknown): readonly unknown[] {
  return Array.from({ length: 5 }, (_, index) => make(index))
}
