import { createTranslation, type Translate } from '../ui/i18n.ts';
import { english } from './messages-en.ts';
import { chinese } from './messages-zh.ts';

export type MessageKey = keyof typeof english;
export type T = Translate<MessageKey>;

export const useTranslation = createTranslation<MessageKey>({ en: english, 'zh-CN': chinese });
