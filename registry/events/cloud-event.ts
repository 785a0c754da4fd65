/** An event as the outside gets it: CloudEvents 1.0. */
import type { CloudEvent } from '../../runtime/contract/events.ts'
import type { EventRecord } from '../store/events.ts'

export function toCloudEvent({ id, type, at, about, subject, data }: EventRecord): CloudEvent {
  return {
    specversion: '1.0',
    id: String(id),
    type,
    source: `/api/v1/${sourceOf(about)}`,
    ...(subject !== undefined && { subject }),
    time: at,
    datacontenttype: 'application/json',
    data: { ...data },
  }
}

function sourceOf(about: EventRecord['about']): string {
  if ('model' in about) return `models/${about.model}`
  return 'endpoint' in about ? `endpoints/${about.endpoint}` : `webhooks/${about.webhook}`
}
