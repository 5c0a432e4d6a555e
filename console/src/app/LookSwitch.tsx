import { Button, Tooltip } from 'antd';
import { useTranslation } from 'react-i18next';
import { MoonOutlined, SunOutlined } from '@/components/icons';
import { setPreferences, useDark } from './preferences';

/** The two switches that are always at hand; the third way, following the system, is in the settings. */
export function LookSwitch() {
  const { t, i18n } = useTranslation();
  const dark = useDark();
  const other = i18n.language === 'zh' ? 'en' : 'zh';
  const theme = t(dark ? 'settings.themes.light' : 'settings.themes.dark');
  return (
    <>
      <Button
        type="text"
        lang={other}
        aria-label={other === 'zh' ? '中：切换到中文' : 'EN: switch to English'}
        onClick={() => setPreferences({ language: other })}
      >
        {other === 'zh' ? '中' : 'EN'}
      </Button>
      <Tooltip title={theme}>
        <Button
          type="text"
          icon={dark ? <SunOutlined /> : <MoonOutlined />}
          aria-label={theme}
          onClick={() => setPreferences({ theme: dark ? 'light' : 'dark' })}
        />
      </Tooltip>
    </>
  );
}
