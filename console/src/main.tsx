import { createRoot } from 'react-dom/client';
import './app/app.css';
import { App } from './app/App';
import { effectiveLanguage } from './app/preferences';
import { showLanguage } from './i18n';

const root = document.getElementById('root');
if (root) {
  await showLanguage(effectiveLanguage());
  createRoot(root).render(<App />);
}
