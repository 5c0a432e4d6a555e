import i18n from 'i18next';
import { initReactI18next } from 'react-i18next';
import type { Language } from '@/app/preferences';
import type { Translation } from './en';

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: Translation };
  }
}

// Each language is a file of its own: a reader loads the one that is shown.
const loaders: Record<Language, () => Promise<Translation>> = {
  en: async () => (await import('./en')).en,
  zh: async () => (await import('./zh')).zh,
};

/** Shows everything in `language`; resolves when its words are there. */
export async function showLanguage(language: Language): Promise<void> {
  if (!i18n.isInitialized) {
    await i18n.use(initReactI18next).init({
      fallbackLng: false,
      resources: {},
      interpolation: { escapeValue: false }, // React escapes
    });
  }
  if (!i18n.hasResourceBundle(language, 'translation')) {
    i18n.addResourceBundle(language, 'translation', await loaders[language]());
  }
  await i18n.changeLanguage(language);
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
}
