/**
 * The metrics in Prometheus' text form, through a registry of their own.
 *
 * The only importer of prom-client, loaded where metrics are served. Its own metric classes count by
 * themselves; here what was counted elsewhere is only read, so what is registered is a metric's `get`.
 */
import type { Metric as PromMetric } from 'prom-client'
import { HealthError } from './errors.ts'
import { type Metric, metrics, type Sample } from './metrics.ts'
import type { HealthParts, Sizes } from './parts.ts'

export interface MetricsPage {
  readonly contentType: string
  /** The metrics that have a value now. */
  text(): Promise<string>
}

/** @throws HealthError `HEALTH_DRIVER_MISSING`. */
export async function openMetricsPage(parts: () => HealthParts): Promise<MetricsPage> {
  const { Registry } = await loadDriver()
  const registry = new Registry()
  for (const metric of metrics) registry.registerMetric(readable(metric, parts))
  return {
    contentType: registry.contentType,
    async text() {
      const known = metrics.filter((metric) => metric.samples(parts()).length > 0)
      const texts = await Promise.all(known.map(({ name }) => registry.getSingleMetricAsString(name)))
      return texts.map((text) => `${text}\n`).join('')
    },
  }
}

async function loadDriver() {
  try {
    return await import('prom-client')
  } catch (cause) {
    throw new HealthError(
      'HEALTH_DRIVER_MISSING',
      'Metrics need the package prom-client: npm install prom-client',
      {
        cause,
      },
    )
  }
}

function readable(metric: Metric, parts: () => HealthParts): PromMetric<string> {
  const { name, kind, help } = metric
  const get = async () => ({
    name,
    help,
    type: kind,
    aggregator: 'sum',
    values: metric.samples(parts()).flatMap((sample) => valuesOf(name, sample)),
  })
  // All that a registry asks of a metric.
  return { name, get } as unknown as PromMetric<string>
}

function valuesOf(name: string, { labels, value }: Sample) {
  return typeof value === 'number' ? [{ labels, value }] : bucketsOf(name, labels, value)
}

/** Prometheus counts in each bucket all that is in the smaller ones too. */
function bucketsOf(name: string, labels: Sample['labels'], { bounds, counts, sum }: Sizes) {
  let below = 0
  const buckets = counts.map((count, index) => {
    below += count
    const le = index < bounds.length ? String(bounds[index]) : '+Inf'
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: below },
  ]
}
